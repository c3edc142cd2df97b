// The page of a session while it goes on: what the service sends is shown in place. Without this script: Refresh.
"use strict";
(() => {
  const page = document.getElementById("live");
  const note = document.getElementById("live-note");
  if (page === null || note === null || !("EventSource" in window)) return;
  const shown = new Map();
  const source = new EventSource(page.dataset.events);

  const show = (name, html) => {
    const place = document.getElementById(`live-${name}`);
    if (place === null || shown.get(name) === html) return;
    shown.set(name, html);
    place.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  };

  source.addEventListener("page", (event) => {
    const { over, ...places } = JSON.parse(event.data);
    for (const [name, html] of Object.entries(places)) show(name, html);
    note.textContent = over ? note.dataset.over : note.dataset.live;
    if (over) source.close();
  });
  source.addEventListener("error", () => {
    const gone = source.readyState === EventSource.CLOSED;
    note.textContent = gone ? note.dataset.gone : note.dataset.broken;
  });
})();
