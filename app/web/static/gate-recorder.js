// Records the page it stands in, through the gate, as parts that can each be played alone. What is typed is masked.
"use strict";
(() => {
  const record = window.rrwebRecord && window.rrwebRecord.record;
  if (!record || window.top !== window) return;
  const TARGET = "/countersign/gate/recording";
  const FIRST_MS = 2_000, CUT_MS = 15_000, QUIET_CUTS = 3, AGAIN_MS = 5_000, TRIES = 4;
  const KEPT_ALIVE = 60_000; // browsers send no more than 64 KiB for a page that is gone
  const META = 4, OF_A_SNAPSHOT = 2;
  const view = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  let events = [], quiet = 0, timer = null, stop = null;

  const finish = () => {
    clearInterval(timer);
    if (stop) stop();
    stop = null;
  };

  const post = (body, tries) =>
    fetch(TARGET, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      credentials: "same-origin",
      keepalive: body.length < KEPT_ALIVE,
      body,
    }).then(
      (answer) => {
        if (answer.status >= 500 || answer.status === 429) again(body, tries);
        else if (!answer.ok) finish();
      },
      () => again(body, tries),
    );
  const again = (body, tries) => tries > 1 && stop && setTimeout(post, AGAIN_MS, body, tries - 1);

  const send = () => {
    if (events.length) post(JSON.stringify({ v: "countersign/page/1", view, events }), TRIES);
    events = [];
  };

  const masked = (event) => {
    if (event.type !== META) return event;
    const address = new URL(event.data.href);
    for (const name of [...address.searchParams.keys()]) address.searchParams.set(name, "***");
    address.hash = "";
    return { ...event, data: { ...event.data, href: address.href } };
  };

  // A snapshot ends the part before it, and begins the next.
  const cut = () => stop && record.takeFullSnapshot(true);

  stop = record({
    emit: (event, checkout) => {
      if (checkout && event.type === META) send();
      events.push(masked(event));
    },
    maskAllInputs: true,
    inlineStylesheet: true,
    collectFonts: false,
    recordCanvas: false,
    sampling: { mousemove: 200, scroll: 200, input: "last" },
  });
  setTimeout(cut, FIRST_MS);
  timer = setInterval(() => {
    quiet = events.length > OF_A_SNAPSHOT ? QUIET_CUTS : quiet + 1;
    if (quiet < QUIET_CUTS) return;
    quiet = 0;
    cut();
  }, CUT_MS);
  addEventListener("pagehide", send);
})();
