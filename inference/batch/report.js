const search = document.getElementById("search");
const cards = [...document.querySelectorAll(".card")];

function filter() {
  const wanted = search.value.toLowerCase();
  for (const card of cards) {
    card.hidden = !card.querySelector("header").textContent.toLowerCase().includes(wanted);
  }
}

search.parentElement.hidden = false; // it does nothing without this script
search.form.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", filter);
filter(); // a browser that goes back to the page fills in what was there
