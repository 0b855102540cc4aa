// Before anything is shown: the language that the visitor chose in an earlier visit, else the browser's.

const browserLanguage = () => (navigator.language.startsWith("zh") ? "zh" : "en");
const chosenLanguage = () =>
  document.cookie.match(/(?:^|; )language=(en|zh)/)?.[1] ?? browserLanguage();

// Gradio's own store of words: its module is loaded already, under a name that changes with each release.
async function changeLanguage(language) {
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  for (const name of loaded.filter((name) => /\/assets\/core-[\w-]+\.js$/.test(name)))
    (await import(name)).changeLocale?.(language === "zh" ? "zh-CN" : "en");
}

if (chosenLanguage() !== browserLanguage()) changeLanguage(chosenLanguage());
