// The page's elements. Everything that people wrote is put there as text, never as markup.

import { locale, word } from './words.js';

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

const day = (time) => new Date(time).toLocaleDateString(locale(), { weekday: 'long', day: 'numeric', month: 'long' });
const clock = (time) => new Date(time).toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });

export class View {
  constructor(chat) {
    this.chat = chat;
    this.log = $('log');
    this.drawn = null;
    chat.addEventListener('places', () => this.later('places', () => this.places()));
    chat.addEventListener('place', (event) => event.detail === chat.active && this.later('place', () => this.place()));
    chat.addEventListener('state', (event) => this.state(event.detail));
    this.listen();
    this.queue = new Map();
  }

  /** Draw once, however much changes in one turn. */
  later(what, draw) {
    if (!this.queue.size) requestAnimationFrame(() => {
      const draws = [...this.queue.values()];
      this.queue.clear();
      for (const each of draws) each();
    });
    this.queue.set(what, draw);
  }

  listen() {
    const { chat, log } = this;
    this.abort = new AbortController();
    const on = (target, type, heard) => target.addEventListener(type, heard, { signal: this.abort.signal });
    on($('compose'), 'submit', (event) => { event.preventDefault(); this.send(); });
    on($('text'), 'keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.send(); }
    });
    on($('text'), 'input', () => chat.typingHere());
    on(log, 'scroll', () => this.scrolled());
    on($('newest'), 'click', () => this.toEnd());
    on($('open-people'), 'click', () => this.people($('people').hidden));
    on($('close-people'), 'click', () => this.people(false));
    on($('open-places'), 'click', () => this.drawer(true));
    on($('close-places'), 'click', () => this.drawer(false));
    on($('leave'), 'click', () => this.leave());
    on($('new-room'), 'submit', (event) => { event.preventDefault(); this.join(); });
    on(document, 'visibilitychange', () => chat.active && chat.isSeen(chat.active) && chat.seen(chat.active));
    on(document, 'keydown', (event) => this.key(event));
  }

  close() {
    this.abort.abort();
    this.log.replaceChildren();
  }

  key(event) {
    if (event.key === 'Escape') { this.people(false); this.drawer(false); }
    if (!event.altKey || !['ArrowUp', 'ArrowDown'].includes(event.key)) return;
    event.preventDefault();
    const all = [...this.chat.rooms, ...this.chat.conversations];
    const step = event.key === 'ArrowDown' ? 1 : -1;
    if (all.length) this.open(all[(all.indexOf(this.chat.active) + step + all.length) % all.length]);
  }

  drawer(isOpen) {
    $('places').classList.toggle('open', isOpen);
    $('open-places').setAttribute('aria-expanded', isOpen);
    if (isOpen) $('close-places').focus();
  }

  people(isOpen) {
    $('people').hidden = !isOpen;
    $('open-people').setAttribute('aria-expanded', isOpen);
  }

  state(state) {
    $('state').textContent = { connecting: word('connecting'), offline: word('offline') }[state] || '';
    $('chat').dataset.state = state;
  }

  // -- the lists

  places() {
    $('rooms').replaceChildren(...this.chat.rooms.map((place) => this.entry(place)));
    $('conversations').replaceChildren(...this.chat.conversations.map((place) => this.entry(place)));
  }

  entry(place) {
    const badge = place.unread ? [element('span', { class: 'badge', 'aria-label': word('unread', place.unread) }, `${place.unread}`)] : [];
    const current = place === this.chat.active ? 'page' : undefined;
    return element('li', {}, element('button', { 'aria-current': current, onclick: () => this.open(place) },
      element('span', {}, place.title), ...badge));
  }

  async open(place) {
    this.drawer(false);
    this.drawn = null;
    await this.chat.open(place);
    this.toEnd();
    $('text').focus();
  }

  async join() {
    const input = $('new-room').elements.room;
    const place = await this.chat.keep(`room:${input.value}`).catch(() => null);
    if (!place) return;
    input.value = '';
    await this.open(place);
  }

  async leave() {
    const { active } = this.chat;
    await this.chat.leave(active);
    const [next] = this.chat.rooms;
    if (next) await this.open(next);
  }

  // -- the one that is open

  place() {
    const { active } = this.chat;
    if (!active) return;
    $('title').textContent = active.name.startsWith('dm:') ? word('to', active.title) : active.title;
    $('leave').hidden = !active.name.startsWith('room:') || this.chat.rooms.length < 2;
    $('count').textContent = word('people', active.count);
    $('members').replaceChildren(...active.members.map((member) => this.member(member)));
    const names = [...active.typing.values()].map((each) => each.name);
    $('typing').textContent = names.length ? word('typing', names) : '';
    this.messages(active);
  }

  member(user) {
    if (user.id === this.chat.user.id) return element('li', {}, element('button', { disabled: true }, `${user.name} (${word('you')})`));
    return element('li', {}, element('button', { onclick: () => { this.people(false); this.talkTo(user); } }, user.name));
  }

  async talkTo(user) {
    this.drawer(false);
    this.drawn = null;
    await this.chat.talkTo(user);
    this.toEnd();
    $('text').focus();
  }

  messages(place) {
    const atEnd = this.isAtEnd() || this.drawn !== place;
    const before = this.log.scrollHeight - this.log.scrollTop;
    const keep = this.drawn === place;
    const known = new Map(keep ? [...this.log.children].map((each) => [each.dataset.key, each]) : []);
    const rows = this.rows(place).map(({ key, mark, make }) => {
      const old = known.get(key);
      if (old && old.dataset.mark === mark) return old;
      const made = make();
      Object.assign(made.dataset, { key, mark });
      return made;
    });
    this.log.replaceChildren(...rows);
    this.drawn = place;
    if (atEnd) this.toEnd();
    else if (this.atTop) this.log.scrollTop = this.log.scrollHeight - before;
    $('newest').hidden = this.isAtEnd();
  }

  /** Everything that stands in the log, each under a key, with a mark that changes when it has to be drawn anew. */
  rows(place) {
    const rows = [];
    const { sorted } = place;
    if (!place.more && sorted.length) rows.push(this.line('begin', 'notice', word('begin')));
    if (!sorted.length && !place.sending.length) rows.push(this.line('empty', 'notice', word('empty')));
    let last = '';
    for (const message of sorted) {
      const today = day(message.time_ms);
      if (today !== last) rows.push(this.line(`day ${today}`, 'day', today));
      last = today;
      for (const notice of place.notices.filter((each) => each.after === message.offset - 1)) {
        rows.push(this.line(`${notice.kind} ${notice.after}`, 'notice', word(notice.kind, notice.count)));
      }
      const state = message.from.id !== this.chat.user.id ? '' : this.chat.isRead(place, message.offset) ? 'read' : 'sent';
      rows.push({ key: `m${message.offset}`, mark: `${state}${locale()}`, make: () => this.message(message, state) });
    }
    for (const message of place.sending) {
      const mine = { ...message, from: this.chat.user, time_ms: message.began };
      rows.push({ key: message.id, mark: `${message.state}${locale()}`, make: () => this.message(mine, message.state, message) });
    }
    return rows;
  }

  line(key, kind, text) {
    return { key, mark: text, make: () => element('p', { class: kind }, text) };
  }

  message(message, state, pending) {
    const isOwn = message.from.id === this.chat.user.id;
    const from = isOwn ? [] : [element('button', { class: 'from', onclick: () => this.talkTo(message.from) }, message.from.name)];
    const facts = element('div', { class: 'facts' }, element('time', { datetime: new Date(message.time_ms).toISOString() }, clock(message.time_ms)));
    if (state) facts.append(element('span', { class: 'fate' }, word(state)));
    const made = element('article', { class: `message${isOwn ? ' mine' : ''}${state === 'failed' ? ' failed' : ''}` },
      ...from, element('p', { class: 'text', dir: 'auto' }, message.text), facts);
    if (state === 'failed') {
      facts.append(element('button', { class: 'again', title: pending.why, onclick: () => this.chat.again(this.chat.active, pending) }, word('again')));
    }
    return made;
  }

  send() {
    const text = $('text').value.trim();
    if (!text || !this.chat.active) return;
    $('text').value = '';
    this.chat.send(this.chat.active, text);
    this.toEnd();
  }

  isAtEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  async scrolled() {
    $('newest').hidden = this.isAtEnd();
    this.atTop = this.log.scrollTop < 80;
    if (this.atTop && this.drawn && (await this.chat.older(this.drawn))) this.later('place', () => this.place());
  }
}
