// What this user knows: rooms, messages, who is where. No element of the page is touched here.

import { Connection, Refusal } from './connection.js';

const PAGE = 50;
const TYPING_LASTS = 6000;
const TYPING_EVERY = 3000;
const REPEAT = 500;
const LOBBY = 'room:lobby';

/** Where a gateway is when nobody has said: at this host, by its usual port. */
const besides = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.hostname}:7000/ws`;

/** One room or private conversation. Messages are known by their offset, so nothing is shown twice. */
class Place {
  constructor(name, title) {
    this.name = name;
    this.title = title;
    this.messages = new Map();
    this.notices = [];
    this.sending = [];
    this.position = null;
    this.more = true;
    this.joined = false;
    this.unread = 0;
    this.mine = 0;
    this.reads = new Map();
    this.typing = new Map();
    this.count = 0;
    this.members = [];
  }

  get first() { return Math.min(...this.messages.keys()); }
  get last() { return this.messages.size ? Math.max(...this.messages.keys()) : 0; }
  get sorted() { return [...this.messages.values()].sort((a, b) => a.offset - b.offset); }

  forget() {
    this.messages.clear();
    this.position = null;
  }
}

/** Emits `places` (the lists changed), `place` (something in one), `state` and `ended`. */
export class Chat extends EventTarget {
  constructor(rest, user) {
    super();
    this.rest = rest;
    this.user = user;
    this.places = new Map();
    this.inbox = { name: `user:${user.id}`, position: null };
    this.active = null;
    this.typed = 0;
  }

  async start() {
    const [gateways, rooms, conversations] = await Promise.all(
      ['/v1/gateways', '/v1/rooms', '/v1/conversations'].map((path) => this.rest.get(path)));
    for (const room of rooms.rooms) this.learn(this.place(room.room), room);
    for (const each of conversations.conversations) this.learn(this.place(each.room, each.user.name), each);
    if (!rooms.rooms.length) await this.keep(LOBBY);
    const urls = gateways.websocket.length ? gateways.websocket : [besides()];
    this.connection = new Connection(urls, this.rest.token);
    this.connection.addEventListener('state', (event) => this.tell('state', event.detail));
    this.connection.addEventListener('ended', (event) => this.tell('ended', event.detail));
    this.connection.addEventListener('push', (event) => this.push(event.detail));
    this.connection.addEventListener('ready', () => this.ready());
    this.tell('places');
  }

  get rooms() { return [...this.places.values()].filter((place) => place.name.startsWith('room:')); }
  get conversations() { return [...this.places.values()].filter((place) => place.name.startsWith('dm:')); }

  place(name, title = name.slice(name.indexOf(':') + 1)) {
    if (!this.places.has(name)) this.places.set(name, new Place(name, title));
    return this.places.get(name);
  }

  learn(place, known) {
    place.unread = known.unread;
    place.mine = known.read?.offset || 0;
  }

  // -- coming and going

  async ready() {
    for (const place of this.places.values()) place.joined = false;
    await this.joinInbox();
    const first = this.active ? [this.active] : [];
    for (const place of [...first, ...this.rooms.filter((each) => each !== this.active)]) await this.enter(place);
    for (const place of this.places.values()) this.sendAll(place);
  }

  async joinInbox() {
    const { name } = this.inbox;
    await this.joinFrom(name, () => this.inbox.position, (answer) => {
      for (const each of answer.publications) this.receive({ room: name, ...each });
      this.inbox.position = { epoch: answer.epoch, offset: answer.offset };
    });
  }

  /** Show a place's newest messages and hear what comes; goes on where it was when the connection was lost. */
  async enter(place) {
    try {
      if (!place.position) await this.load(place);
      await this.joinFrom(place.name, () => place.position, (answer) => {
        if (!answer.recovered) {
          place.forget();
          place.notices.push({ kind: 'lost', after: answer.after });
        }
        for (const each of answer.publications) this.add(place, each);
        if (answer.joined) place.position = { epoch: answer.epoch, offset: answer.offset };
        place.joined = answer.joined;
      });
      this.tell('place', place);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
    }
  }

  async joinFrom(room, since, take) {
    for (;;) {
      const from = since();
      const answer = await this.patiently(() => this.connection.request('join', { room, ...(from ? { since: from } : {}) }));
      take(answer);
      if (answer.joined) return;
    }
  }

  /** The newest page. */
  async load(place) {
    const answer = await this.patiently(() => this.connection.request('history', { room: place.name, limit: PAGE }));
    for (const each of answer.publications) this.add(place, each);
    place.position = { epoch: answer.epoch, offset: answer.offset };
    place.more = answer.more;
    const marks = await this.rest.get(`/v1/rooms/${place.name}/reads`).catch(() => ({ reads: [] }));
    for (const mark of marks.reads) this.mark(place, mark.user, mark.offset);
  }

  /** The page before the oldest message that is shown; whether there was one. */
  async older(place) {
    if (!place.more || place.loading || !place.messages.size) return false;
    place.loading = true;
    try {
      const before = { epoch: place.messages.get(place.first).epoch, offset: place.first };
      const answer = await this.connection.request('history', { room: place.name, before, limit: PAGE });
      for (const each of answer.publications) this.add(place, each);
      place.more = answer.more && answer.publications.length > 0;
      return true;
    } catch {
      return false;
    } finally {
      place.loading = false;
    }
  }

  /** Repeat what may be repeated, for as long as there is a connection. */
  async patiently(step) {
    for (;;) {
      try {
        return await step();
      } catch (refusal) {
        if (!(refusal instanceof Refusal) || !refusal.after || refusal.code === 'lost') throw refusal;
        await new Promise((resolve) => setTimeout(resolve, Math.max(REPEAT, refusal.after)));
      }
    }
  }

  // -- what comes

  push(frame) {
    if (frame.type === 'publication') {
      this.receive(frame);
      return;
    }
    const place = this.places.get(frame.conversation || frame.room);
    if (!place) return;
    if (frame.type === 'presence') Object.assign(place, { count: frame.count, members: frame.members || [] });
    if (frame.type === 'typing' && frame.user.id !== this.user.id) this.types(place, frame.user);
    if (frame.type === 'read') this.mark(place, frame.user, frame.offset);
    if (frame.type === 'gap') {
      place.notices.push({ kind: 'gap', after: frame.to, count: frame.to - frame.from + 1 });
      place.position = { ...place.position, offset: frame.to };
    }
    if (frame.type === 'reset') this.enter(place);
    this.tell('place', place);
  }

  /** A publication of a room, or in the inbox the copy of a private one. */
  receive(publication) {
    if (publication.room !== this.inbox.name) {
      const place = this.place(publication.room);
      place.position = { epoch: publication.epoch, offset: publication.offset };
      this.add(place, publication);
      this.tell('place', place);
      return;
    }
    this.inbox.position = { epoch: publication.epoch, offset: publication.offset };
    const { origin } = publication;
    if (!origin) return;
    const other = publication.from.id === this.user.id ? publication.to : publication.from;
    const place = this.place(origin.room, other.name);
    const isHeard = place.joined;
    this.add(place, { ...publication, ...origin });
    if (!isHeard) this.tell('places');
    this.tell('place', place);
  }

  add(place, publication) {
    if (place.messages.has(publication.offset)) return;
    place.messages.set(publication.offset, publication);
    const isOwn = publication.from.id === this.user.id;
    if (isOwn) place.sending = place.sending.filter((each) => each.id !== publication.id);
    else place.typing.delete(publication.from.id);
    if (!isOwn && publication.offset > place.mine && !this.isSeen(place)) {
      place.unread = this.unreadOf(place);
      this.tell('places');
    }
    if (this.isSeen(place)) this.seen(place);
  }

  unreadOf(place) {
    const known = place.sorted.filter((each) => each.offset > place.mine && each.from.id !== this.user.id).length;
    return Math.max(place.unread, known);
  }

  // -- being read, and typing

  isSeen(place) {
    return place === this.active && document.visibilityState === 'visible';
  }

  /** The user has everything of a place before their eyes. */
  seen(place) {
    if (place.unread) {
      place.unread = 0;
      this.tell('places');
    }
    if (place.last <= place.mine || place.marking) return;
    place.marking = setTimeout(() => {
      place.marking = null;
      const { last } = place;
      if (last <= place.mine || !place.messages.has(last)) return;
      place.mine = last;
      this.connection.request('read', { room: place.name, epoch: place.messages.get(last).epoch, offset: last }).catch(() => {});
    }, 400);
  }

  mark(place, user, offset) {
    if (user.id === this.user.id) {
      place.mine = Math.max(place.mine, offset);
      if (place.mine >= place.last) place.unread = 0;
      this.tell('places');
    } else {
      place.reads.set(user.id, Math.max(place.reads.get(user.id) || 0, offset));
    }
  }

  isRead(place, offset) {
    return [...place.reads.values()].some((read) => read >= offset);
  }

  types(place, user) {
    clearTimeout(place.typing.get(user.id)?.timer);
    const timer = setTimeout(() => {
      place.typing.delete(user.id);
      this.tell('place', place);
    }, TYPING_LASTS);
    place.typing.set(user.id, { name: user.name, timer });
  }

  typingHere() {
    if (!this.active?.joined || Date.now() - this.typed < TYPING_EVERY) return;
    this.typed = Date.now();
    this.connection.request('typing', { room: this.active.name }).catch(() => {});
  }

  // -- what the user does

  async open(place) {
    this.active = place;
    this.tell('places');
    this.tell('place', place);
    if (!place.joined && this.connection?.socket?.readyState === WebSocket.OPEN) await this.enter(place);
    this.seen(place);
  }

  talkTo(user) {
    const [a, b] = [this.user.id, user.id].sort((one, other) => one - other);
    return this.open(this.place(`dm:${a}:${b}`, user.name));
  }

  async keep(name) {
    await this.rest.put(`/v1/rooms/${name}`);
    this.tell('places');
    return this.place(name);
  }

  async leave(place) {
    await this.rest.remove(`/v1/rooms/${place.name}`);
    this.connection.request('leave', { room: place.name }).catch(() => {});
    this.places.delete(place.name);
    if (this.active === place) this.active = null;
    this.tell('places');
  }

  send(place, text) {
    const message = { id: crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`, text, began: Date.now(), state: 'sending' };
    this.typed = 0;
    place.sending.push(message);
    this.tell('place', place);
    this.sendAll(place);
  }

  again(place, message) {
    message.state = 'sending';
    this.tell('place', place);
    this.sendAll(place);
  }

  /** One after the other: a message of unknown fate is sent again, under its own id, before the next. */
  async sendAll(place) {
    if (place.busy) return;
    place.busy = true;
    try {
      for (let next; (next = place.sending.find((each) => each.state === 'sending')); ) await this.sendOne(place, next);
    } catch {
      // The connection was lost: `ready` goes on.
    } finally {
      place.busy = false;
      this.tell('place', place);
    }
  }

  async sendOne(place, message) {
    const [, a, b] = place.name.split(':').map(Number);
    const target = place.name.startsWith('dm:') ? { user: a === this.user.id ? b : a } : { room: place.name };
    const age = Date.now() - message.began;
    try {
      await this.patiently(() => this.connection.request('send', {
        ...target, message_id: message.id, text: message.text, ...(age > 1000 ? { age_ms: age } : {}) }));
      message.state = 'sent';
    } catch (refusal) {
      if (refusal.code === 'lost') throw refusal;
      Object.assign(message, { state: 'failed', why: refusal.message });
    }
    this.tell('place', place);
  }

  stop() {
    this.connection?.end(1000);
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
