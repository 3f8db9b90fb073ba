// What the page says, in each language that it speaks.

const WORDS = {
  en: {
    welcome: 'Log in, or choose a name to register.', name: 'Name', password: 'Password', login: 'Log in',
    register: 'Register', language: '中文', rooms: 'Rooms', roomName: 'Room name', join: 'Join',
    conversations: 'Conversations', logout: 'Log out', leave: 'Leave', newest: 'New messages ↓', write: 'Write a message',
    send: 'Send', here: 'Here now', close: 'Close', places: 'Rooms and conversations', again: 'Send again',
    sending: 'sending', sent: 'sent', read: 'read', failed: 'not sent', you: 'you',
    connecting: 'Connecting …', offline: 'Connection lost. Trying again …', replaced: 'Too many connections of yours are open.',
    stopped: 'The server does not accept this page. Reload it.', empty: 'Nothing was said here yet.',
    lost: 'The server has lost messages; this is what it still has.', gap: (n) => `${n} messages are not kept any more.`,
    people: (n) => (n === 1 ? '1 person here' : `${n} people here`), unread: (n) => `${n} unread`,
    typing: (names) => `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} typing …`, begin: 'Beginning of what is kept',
    noName: 'That name is taken.', wrong: 'No account has this name and password.', slow: 'Too many attempts. Wait a minute.',
    away: 'The server cannot be reached.', badRoom: 'A room name has 1 to 64 of A–Z a–z 0–9 . _ -', to: (name) => `Private message to ${name}`,
  },
  zh: {
    welcome: '请登录，或取一个名字注册。', name: '名字', password: '密码', login: '登录', register: '注册', language: 'English',
    rooms: '房间', roomName: '房间名', join: '加入', conversations: '私聊', logout: '退出登录', leave: '离开', newest: '新消息 ↓',
    write: '输入消息', send: '发送', here: '在线成员', close: '关闭', places: '房间与私聊', again: '重新发送', sending: '发送中',
    sent: '已发送', read: '已读', failed: '未发送', you: '我', connecting: '正在连接……', offline: '连接已断开，正在重试……',
    replaced: '您打开的连接过多。', stopped: '服务器不接受此页面，请刷新。', empty: '这里还没有消息。',
    lost: '服务器丢失了部分消息，以下是仍保留的内容。', gap: (n) => `有 ${n} 条消息已不再保留。`, people: (n) => `${n} 人在线`,
    unread: (n) => `${n} 条未读`, typing: (names) => `${names.join('、')} 正在输入……`, begin: '以上已无保留的消息',
    noName: '该名字已被占用。', wrong: '名字或密码不正确。', slow: '尝试次数过多，请稍候一分钟。', away: '无法连接服务器。',
    badRoom: '房间名由 1 到 64 个 A–Z a–z 0–9 . _ - 组成', to: (name) => `发给 ${name} 的私信`,
  },
};

let language = localStorage.getItem('chatcluster.language') || (navigator.language.startsWith('zh') ? 'zh' : 'en');

export const word = (name, ...values) => {
  const found = WORDS[language][name];
  return typeof found === 'function' ? found(...values) : found;
};

export const locale = () => (language === 'zh' ? 'zh-CN' : navigator.language.startsWith('en') ? navigator.language : 'en');

/** Put the words of the present language into all elements that ask for one. */
export function speak() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll('[data-word]')) each.textContent = word(each.dataset.word);
  for (const each of document.querySelectorAll('[data-label]')) each.setAttribute('aria-label', word(each.dataset.label));
  for (const each of document.querySelectorAll('[data-placeholder]')) each.placeholder = word(each.dataset.placeholder);
}

export function switchLanguage() {
  language = language === 'zh' ? 'en' : 'zh';
  localStorage.setItem('chatcluster.language', language);
  speak();
}
