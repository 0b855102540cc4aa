// Keeps the page for use without a network. export.to_web fills in the two lines below.

const VERSION = "$version";
const FILES = $files;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(VERSION)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== VERSION).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  event.respondWith(
    caches.match(event.request, { ignoreSearch: true }).then(async (kept) => {
      if (kept) return kept;
      const response = await fetch(event.request);
      // The GPU's runtime, which few browsers ask for, is kept once it was.
      if (response.ok && event.request.url.includes("/runtime/")) {
        (await caches.open(VERSION)).put(event.request, response.clone());
      }
      return response;
    }),
  );
});
