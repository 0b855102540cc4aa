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
  document.title = language === "zh" ? "病灶轮廓" : "Lesion outlines";
  for (const button of buttons)
    button.setAttribute("aria-pressed", String(button.value === language));
  nameThings();
}

// Names for what gradio leaves without, for those who hear the page.
function nameThings() {
  const example = document.documentElement.lang === "en" ? "Example" : "示例";
  for (const gallery of document.querySelectorAll(".examples"))
    gallery.querySelectorAll(".gallery-item").forEach((item, number) =>
      item.setAttribute("aria-label", `${example} ${number + 1}`));
  for (const empty of document.querySelectorAll("div.empty[aria-label]:not([role])"))
    empty.setAttribute("role", "img");
}

async function change(language) {
  await translate(language);
  mark(language);
  trigger("select");
}

for (const button of buttons)
  button.onclick = async () => {
    document.cookie = `${props.cookie}=${button.value}; path=/; max-age=31536000; samesite=lax`;
    await change(button.value);
  };

const browser = navigator.language.startsWith("zh") ? "zh" : "en";
const chosen = cookie ? cookie[1] : browser;
if (chosen === browser) mark(chosen);
else change(chosen);
new MutationObserver(nameThings).observe(document.body, { childList: true, subtree: true });
