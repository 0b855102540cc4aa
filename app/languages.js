// The switch of languages: the page's words change at once, and a cookie tells the server.

const buttons = [...element.querySelectorAll("button")];

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

for (const button of buttons)
  button.onclick = async () => {
    document.cookie = `language=${button.value}; path=/; max-age=31536000; samesite=lax`;
    // Gradio says some of its own words only once. Where nothing would be lost, they are said anew.
    if (!document.querySelector("#measures table, #table table, #figures table")) location.reload();
    await changeLanguage(button.value);
    mark(button.value);
    trigger("select");
  };

mark(chosenLanguage());
if (chosenLanguage() !== browserLanguage()) trigger("select"); // the names of tabs
new MutationObserver(nameThings).observe(document.body, { childList: true, subtree: true });
