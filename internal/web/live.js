// Keeps the first page live. Without it the page shows the same, as of its loading.
"use strict";
for (const part of document.querySelectorAll("[data-live]")) {
  const news = new EventSource(part.dataset.live);
  news.onmessage = (event) => { part.innerHTML = event.data; };
  addEventListener("pagehide", () => news.close());
}
