const search = document.getElementById("search");
const cards = [...document.querySelectorAll(".card")];
search.parentElement.hidden = false;
search.form.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => {
  const wanted = search.value.toLowerCase();
  for (const card of cards) card.hidden = !card.querySelector("header").textContent.toLowerCase().includes(wanted);
});
