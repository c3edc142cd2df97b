// Plays parts of a recording: pages by rrweb, terminals (asciicast v2) as their text. Each part is fetched when it is
// asked for, because each reading is an entry of the trail.
"use strict";
(() => {
  const stage = document.getElementById("stage");
  const note = document.getElementById("replay-note");
  let playing = null;

  const clear = () => {
    if (playing) playing.destroy();
    playing = null;
    stage.replaceChildren();
  };

  const pages = (text) => {
    const { v, events } = JSON.parse(text);
    if (v !== "countersign/page/1" || !Array.isArray(events) || events.length < 2) throw new Error("no recording of a page");
    playing = new window.rrwebReplay.Replayer(events, { root: stage, mouseTail: false, UNSAFE_replayCanvas: false, showWarning: false });
    playing.on("finish", () => (note.textContent = note.dataset.over));
    playing.play();
  };

  // Escape sequences are left out; a carriage return begins the line anew.
  const CONTROL = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;
  const terminals = (text) => {
    const [head, ...lines] = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    if (head.version !== 2) throw new Error("no asciicast v2");
    const said = lines.filter((line) => line[1] === "o").map((line) => line[2]).join("");
    const shown = said.replace(CONTROL, "").replace(/\r\n/g, "\n").replace(/[^\n]*\r/g, "");
    const screen = document.createElement("pre");
    screen.className = "wrap-all";
    screen.textContent = shown;
    stage.replaceChildren(screen);
  };

  const play = async (button) => {
    clear();
    note.textContent = note.dataset.fetching;
    try {
      const answer = await fetch(button.dataset.part, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const terminal = (answer.headers.get("X-Recording-Type") || "").startsWith("application/x-asciicast");
      note.textContent = terminal ? note.dataset.terminal : note.dataset.playing;
      (terminal ? terminals : pages)(await answer.text());
    } catch (error) {
      note.textContent = `${note.dataset.failed} (${error.message})`;
    }
  };

  for (const button of document.querySelectorAll("button[data-part]")) {
    button.hidden = false;
    button.addEventListener("click", () => play(button));
  }
})();
