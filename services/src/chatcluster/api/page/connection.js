// The v1 protocol over a websocket that comes back: requests with answers, pushes, and a state to show. docs/protocol.md.

const LONGEST_PAUSE = 30_000;
const ANSWER_WITHIN = 15_000;

/** A request that was refused, or that got no answer. `stored` says what is known of a message. */
export class Refusal extends Error {
  constructor(frame) {
    super(frame.detail || frame.code);
    Object.assign(this, { code: frame.code, stored: frame.stored, after: (frame.retry_after || 0) * 1000 });
  }
}

/** Emits `state` ("connecting", "ready", "offline", "ended"), `ready` (with auth's answer), `push`, and `ended` (a code). */
export class Connection extends EventTarget {
  constructor(urls, token) {
    super();
    this.urls = urls;
    this.token = token;
    this.number = 0;
    this.waiting = new Map();
    this.tries = 0;
    this.ended = false;
    this.open();
    addEventListener('online', () => this.hurry());
  }

  open() {
    if (this.ended) return;
    this.tell('state', this.tries ? 'offline' : 'connecting');
    const url = this.urls[Math.floor(Math.random() * this.urls.length)];
    const socket = new WebSocket(url, 'chatcluster.v1.json');
    this.socket = socket;
    socket.onopen = () => this.authenticate(socket);
    socket.onmessage = (event) => this.receive(socket, JSON.parse(event.data));
    socket.onclose = (event) => this.lost(socket, event.code);
  }

  async authenticate(socket) {
    try {
      const answer = await this.request('auth', { token: this.token });
      this.tries = 0;
      this.silence = (answer.ping_seconds + 10) * 1000;
      this.tell('state', 'ready');
      this.tell('ready', answer);
    } catch (refusal) {
      if (refusal.code === 'session') this.end(4502);
      else socket.close();
    }
  }

  /** Ask, and wait for the answer. Rejects with a `Refusal`; its code is "lost" when the connection was. */
  request(type, fields = {}) {
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      if (!this.socket || this.socket.readyState !== WebSocket.OPEN) {
        reject(new Refusal({ code: 'lost', stored: 'unknown' }));
        return;
      }
      const timer = setTimeout(() => this.socket.close(), ANSWER_WITHIN);
      this.waiting.set(id, { resolve, reject, timer });
      this.socket.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  receive(socket, frame) {
    if (socket !== this.socket) return;
    if (frame.type === 'ok' || frame.type === 'error') {
      const waiting = this.waiting.get(frame.id);
      if (!waiting) return;
      this.waiting.delete(frame.id);
      clearTimeout(waiting.timer);
      if (frame.type === 'ok') waiting.resolve(frame);
      else waiting.reject(new Refusal(frame));
    } else if (frame.type === 'reconnect') {
      setTimeout(() => socket === this.socket && socket.close(), frame.after_ms);
    } else {
      this.tell('push', frame);
    }
  }

  lost(socket, code) {
    if (socket !== this.socket) return;
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Refusal({ code: 'lost', stored: 'unknown' }));
    }
    this.waiting.clear();
    if (this.ended) return;
    if (code >= 4500) this.end(code);
    else this.later();
  }

  later() {
    this.tell('state', 'offline');
    const most = Math.min(LONGEST_PAUSE, 500 * 2 ** this.tries++);
    this.timer = setTimeout(() => this.open(), Math.random() * most);
  }

  hurry() {
    if (this.ended || !this.socket || this.socket.readyState < WebSocket.CLOSING) return;
    clearTimeout(this.timer);
    this.open();
  }

  end(code) {
    this.ended = true;
    clearTimeout(this.timer);
    this.tell('state', 'ended');
    this.tell('ended', code);
    this.socket?.close();
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
