"use strict";

const list = document.getElementById("messages");
const stream = new EventSource("/_sandbox/events");

function show(message) {
  const item = document.createElement("li");
  item.textContent = `${message.phone}: ${message.text}`;
  list.prepend(item);
}

async function load() {
  const answer = await fetch("/_sandbox/messages");
  list.replaceChildren();
  (await answer.json()).messages.forEach(show);
}

stream.addEventListener("hello", load);
stream.addEventListener("reload", load);
stream.addEventListener("clear", load);
stream.addEventListener("request", (event) => JSON.parse(event.data).messages.forEach(show));
