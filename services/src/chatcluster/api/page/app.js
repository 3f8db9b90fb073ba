// The page's beginning: who is there, and what they see first.

import { Chat } from './chat.js';
import { Refused, Rest } from './rest.js';
import { View } from './view.js';
import { speak, switchLanguage, word } from './words.js';

const SESSION = 'chatcluster.session';
const $ = (id) => document.getElementById(id);
let chat = null;
let view = null;

function show(what) {
  $('door').hidden = what !== 'door';
  $('chat').hidden = what !== 'chat';
}

function explain(error) {
  if (!(error instanceof Refused)) throw error;
  const known = { name_taken: 'noName', wrong_credentials: 'wrong', rate_limited: 'slow', away: 'away', busy: 'away', unavailable: 'away' };
  $('door-error').textContent = known[error.code] ? word(known[error.code]) : error.message;
}

async function enter(token) {
  const rest = new Rest(token);
  let user;
  try {
    ({ user } = await rest.get('/v1/me'));
  } catch (error) {
    if (error.status === 401) leave();
    else setTimeout(() => enter(token), 2000);
    return;
  }
  $('me').textContent = user.name;
  chat = new Chat(rest, user);
  view = new View(chat);
  chat.addEventListener('ended', (event) => ended(event.detail));
  show('chat');
  await chat.start();
  if (chat.rooms.length) await view.open(chat.rooms[0]);
}

function ended(code) {
  if (code === 4502 || code === 4501) leave();
  else if (code !== 1000) $('state').textContent = word(code === 4503 ? 'replaced' : 'stopped');
}

function leave() {
  localStorage.removeItem(SESSION);
  chat?.stop();
  view?.close();
  chat = view = null;
  $('people').hidden = true;
  show('door');
  $('enter').elements.name.focus();
}

$('enter').addEventListener('submit', async (event) => {
  event.preventDefault();
  const path = event.submitter?.name === 'register' ? '/v1/accounts' : '/v1/sessions';
  const { name, password } = $('enter').elements;
  $('door-error').textContent = '';
  try {
    const { token } = await new Rest().post(path, { name: name.value.normalize('NFC'), password: password.value });
    localStorage.setItem(SESSION, token);
    password.value = '';
    await enter(token);
  } catch (error) {
    explain(error);
  }
});

$('logout').addEventListener('click', async () => {
  await chat?.rest.remove('/v1/sessions/current').catch(() => {});
  leave();
});

for (const button of document.querySelectorAll('.language')) {
  button.addEventListener('click', () => {
    switchLanguage();
    view?.places();
    view?.place();
  });
}

// Another tab has logged in or out.
addEventListener('storage', (event) => {
  if (event.key !== SESSION) return;
  if (!event.newValue) leave();
  else if (!chat) enter(event.newValue);
});

speak();
const token = localStorage.getItem(SESSION);
if (token) enter(token);
else show('door');
