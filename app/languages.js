// The switch of languages: the page's words change at once, and a cookie tells the server.

const buttons = [...element.querySelectorAll("button")];
const cookie = document.cookie.match(new RegExp(`(?:^|; )${props.cookie}=(\\w+)`));

// Gradio's own store of words: its module is loaded already, under a name that changes with each release.
async function translate(language) {
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  for (const name of loaded.filter((name) => /\/assets\/core-[\w-]+\.js$/.test(name)))
    (await import(name)).changeLocale?.(language === "zh" ? "zh-CN" : "en");
}

function mark(language) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const button of buttons)
    button.setAttribute("aria-pressed", String(button.value === language));
}

for (const button of buttons)
  button.onclick = async () => {
    document.cookie = `${props.cookie}=${button.value}; path=/; max-age=31536000; samesite=lax`;
    await translate(button.value);
    mark(button.value);
    trigger("select");
  };

const browser = navigator.language.startsWith("zh") ? "zh" : "en";
const chosen = cookie ? cookie[1] : browser;
if (chosen !== browser) translate(chosen);
mark(chosen);
