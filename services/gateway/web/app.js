// The console: signs in, starts a chat, shows it. Reading order: session, rest, routes · chat, connection, link, reader,
// outbox, history, list, store, timeline, marks · actions · view_*. Nothing here is built or bundled; the browser runs
// these files as they are.

import { Chat } from "./chat.js";
import { toast } from "./dom.js";
import { Session } from "./session.js";
import { ChatView } from "./view_chat.js";
import { signIn } from "./view_sign_in.js";

const root = document.getElementById("app");

function run(session) {
  let view = null;
  let drawing = false;
  const changed = () => {
    if (drawing) return;
    drawing = true;
    setTimeout(() => {
      drawing = false;
      view?.draw();
    }, 0);
  };
  const leave = (end, why) => {
    if (!view) return;
    view.close();
    view = null;
    end();
    start(why);
  };
  const loggedOut = (why) => leave(() => chat.stop(), why);
  const chat = new Chat(session, { changed, told: toast, called: (event) => view?.called(event), loggedOut });
  view = new ChatView(root, chat, { logOut: () => leave(() => chat.logOut()) });
  view.draw();
  chat.start();
}

function start(why) {
  const session = Session.restore();
  if (session) run(session);
  else signIn(root, { signedIn: run, why });
}

start();
