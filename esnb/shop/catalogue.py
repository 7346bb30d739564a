"""What the shop sells, and who buys there. All names are invented; prices are in whole cents."""

from __future__ import annotations

from typing import Any, NamedTuple

from esnb.errors import RejectedError


class Article(NamedTuple):
    """One thing the shop sells; price is of one piece, in cents."""

    sku: str
    name: str
    price: int


#: Most popular first: the simulator sells the first ones more often.
CATALOGUE: tuple[Article, ...] = (
    Article("MUG-BLUE", "Mug, blue", 950),
    Article("NOTEBOOK-A5", "Notebook, A5, dotted", 790),
    Article("PEN-FINE", "Fine pen, black", 320),
    Article("TEA-GREEN", "Green tea, 100 g", 680),
    Article("MUG-WHITE", "Mug, white", 890),
    Article("STICKER-DUCK", "Sticker, duck", 150),
    Article("POSTER-MAP", "Poster, old map", 1890),
    Article("SOCKS-WOOL", "Wool socks", 1250),
    Article("COFFEE-BEANS", "Coffee beans, 500 g", 1390),
    Article("CANDLE-BEE", "Beeswax candle", 1150),
    Article("LAMP-DESK", "Desk lamp", 3990),
    Article("NOTEBOOK-A4", "Notebook, A4, lined", 990),
    Article("TEA-BLACK", "Black tea, 100 g", 640),
    Article("PEN-SET", "Six coloured pens", 1480),
    Article("BAG-COTTON", "Cotton bag", 690),
    Article("TEAPOT", "Teapot, 1.2 l", 2950),
    Article("CALENDAR", "Wall calendar", 1590),
    Article("PUZZLE-1000", "Puzzle, 1000 pieces", 1990),
    Article("BLANKET", "Wool blanket", 5990),
    Article("BOTTLE-STEEL", "Steel bottle", 2290),
    Article("CLOCK-WALL", "Wall clock", 3490),
    Article("PLANT-POT", "Plant pot, clay", 1290),
    Article("SEEDS-HERBS", "Herb seeds, six kinds", 850),
    Article("APRON", "Kitchen apron", 2190),
    Article("KNIFE-BREAD", "Bread knife", 3290),
    Article("BOARD-OAK", "Oak board", 2790),
    Article("SCARF", "Scarf, merino", 4490),
    Article("BACKPACK", "Backpack, 20 l", 7990),
    Article("HEADPHONES", "Headphones", 8990),
    Article("ESPRESSO-POT", "Espresso pot", 3890),
)

_BY_SKU = {article.sku: article for article in CATALOGUE}

FIRST_NAMES = (
    "mira",
    "jonas",
    "aisha",
    "leo",
    "nora",
    "tomas",
    "yara",
    "felix",
    "ines",
    "kofi",
    "lena",
    "marco",
    "sofia",
    "emil",
    "zoe",
    "anton",
    "priya",
    "hugo",
    "maya",
    "oskar",
    "lucia",
    "samir",
    "elif",
    "david",
    "hana",
    "pavel",
    "rosa",
    "jamal",
    "greta",
    "ivan",
    "chloe",
    "mateo",
    "freya",
    "noah",
    "wanda",
    "arjun",
    "clara",
    "otto",
    "leila",
    "victor",
)

LAST_NAMES = (
    "okafor",
    "lind",
    "haddad",
    "moreau",
    "novak",
    "silva",
    "berg",
    "tanaka",
    "rossi",
    "kaya",
    "weber",
    "santos",
    "nilsen",
    "patel",
    "costa",
    "fischer",
    "diallo",
    "horvath",
    "jensen",
    "ortiz",
    "laurent",
    "popov",
    "mensah",
    "keller",
    "ricci",
    "sato",
    "evans",
    "petrov",
    "carvalho",
    "brandt",
)


def item(sku: str, quantity: int = 1) -> dict[str, Any]:
    """Return one item for Order.place, at today's price in the catalogue."""
    if sku not in _BY_SKU:
        raise RejectedError(f"The catalogue has no {sku!r}. It has: {', '.join(_BY_SKU)}.")
    return {"sku": sku, "quantity": quantity, "price": _BY_SKU[sku].price}


def customer_name(number: int) -> str:
    """Return the name of the customer with this number, from 0: the same number, the same name."""
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[(number // len(FIRST_NAMES) + number * 7) % len(LAST_NAMES)]
    again = number // (len(FIRST_NAMES) * len(LAST_NAMES))
    return f"{first}.{last}" + (str(again + 1) if again else "")
