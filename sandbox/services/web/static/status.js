"use strict";

// Shows an order's page anew when the shop has heard something. Asks rather than listens: simple, and survives sleep.

const shown = document.querySelector("#status");
const ASK_EVERY_MS = 700;

async function ask() {
  const answer = await fetch(`/orders/${shown.dataset.order}/news`).catch(() => null);
  if (answer && answer.ok) {
    const news = await answer.json();
    if (news.status !== shown.dataset.status || String(news.heard) !== shown.dataset.heard) {
      location.replace(`/orders/${shown.dataset.order}`);
      return;
    }
  }
  setTimeout(ask, ASK_EVERY_MS);
}

setTimeout(ask, ASK_EVERY_MS);
