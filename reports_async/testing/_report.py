"""
What stands in a report: CSV of any length, made block by block and never held whole.

The same seed, request and number of rows give the same bytes. The values are invented; they have
all that breaks careless readers: quotes, commas, accents, newlines inside quotes.
"""

from __future__ import annotations

import csv
import hashlib
import io
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BLOCK_ROWS: Final = 1024
_TAG = "\x01"
_NUMBER = "\x02"
_BOM: Final = b"\xef\xbb\xbf"

_NAMES: Final = (
    "Cafetera de espresso, 15 bares",
    "Niño jugando: rompecabezas de 500 piezas",
    'Televisor de 50" "Ultra HD"',
    "Café de olla molido 1 kg",
    "Sartén antiadherente\nJuego de 3 piezas",
    "Bicicleta rodada 26, señal reflejante",
    "Lámpara de pie; luz cálida",
    "Cobija matrimonial 'Otoño'",
    "Balón de fútbol N.º 5, 100% piel",
    "Taladro inalámbrico, 20 V\r\nIncluye 2 baterías",
    "Shampoo de sábila, 750 ml",
)
_CATEGORIES: Final = ("Hogar", "Juguetes", "Electrónica", "Abarrotes", "Jardín y Exterior")
_STATES: Final = ("PUBLISHED", "UNPUBLISHED", "SYSTEM_PROBLEM", "PUBLISHED")
_BRANDS: Final = ("Montaña", "Ópalo", "Río & Hijos", "La Única", "Ñandú")


def _price(index: int) -> str:
    return f"{19 + index * 37 % 9000}.{index * 13 % 100:02d}"


def _day(index: int) -> str:
    return f"2025-{index % 12 + 1:02d}-{index % 28 + 1:02d}"


def _item_mx(index: int) -> tuple[str, ...]:
    state = _STATES[index % len(_STATES)]
    return (
        "10001234567",
        f"MX-{_TAG}-{_NUMBER}",
        _NAMES[index % len(_NAMES)],
        _CATEGORIES[index % len(_CATEGORIES)],
        _price(index),
        "MXN",
        state,
        "" if state == "PUBLISHED" else 'Falta información: "marca", "modelo"',
        "ACTIVE" if index % 9 else "ARCHIVED",
        f"{index * 7919 % 99991:05X}WPID{index:04d}",
        f"0750{index * 104729 % 10**10:010d}",
        f"750{index * 1299709 % 10**9:09d}",
        f"https://i5.walmartimages.com.mx/mg/images/{index:05d}.jpg?odnHeight=180",
        _CATEGORIES[(index + 1) % len(_CATEGORIES)],
        _CATEGORIES[(index + 2) % len(_CATEGORIES)],
        _day(index),
        "2049-12-31",
        _day(index + 5),
        _day(index + 11),
        _BRANDS[index % len(_BRANDS)],
        f"{43210000 + index}",
        "Sí" if index % 2 else "No",
    )


def _inventory_mx(index: int) -> tuple[str, ...]:
    return (
        f"MX-{_TAG}-{_NUMBER}",
        f"0750{index * 104729 % 10**10:010d}",
        _NAMES[index % len(_NAMES)],
        str(index * 31 % 500),
        str(index % 7),
        _day(index),
    )


def _any(index: int) -> tuple[str, ...]:
    return (
        f"SKU-{_TAG}-{_NUMBER}",
        f"{index * 1299709 % 10**9:09d}",
        _NAMES[index % len(_NAMES)],
        _STATES[index % len(_STATES)],
        str(index * 31 % 500),
        _price(index),
        "USD",
        _day(index),
    )


@frozen
class _Table:
    columns: tuple[str, ...]
    row: Callable[[int], tuple[str, ...]]


_GENERIC: Final = _Table(
    (
        "SKU",
        "Item ID",
        "Product Name",
        "Published Status",
        "Quantity",
        "Price",
        "Currency",
        "Last Updated",
    ),
    _any,
)

_TABLES: Final[Mapping[str, _Table]] = {
    "ITEM_MX": _Table(
        (
            "ID de la Tienda",
            "SKU",
            "Nombre del Producto",
            "Categoria del Producto",
            "Precio",
            "Moneda",
            "Estatus de publicacion",
            "Razon en Cambio de Estatus",
            "Ciclo de la publicacion",
            "Identificador de producto en Walmart (WPID)",
            "GTIN",
            "UPC",
            "Url de Imagen Principal",
            "Departamento",
            "Categoria principal",
            "Fecha De Inicio De La Oferta",
            "Fecha De Finalizacion De La Oferta",
            "Fecha de Creacion del Articulo",
            "Fecha de Ultima actualizacion del Articulo",
            "Marca",
            "Codigo fiscal del producto",
            "MSI elegible",
        ),
        _item_mx,
    ),
    # The columns of the Mexican inventory report are published nowhere: these are invented.
    "INVENTORY_MX": _Table(
        (
            "SKU",
            "GTIN",
            "Nombre del Producto",
            "Cantidad Disponible",
            "Cantidad Reservada",
            "Fecha de Ultima Actualizacion",
        ),
        _inventory_mx,
    ),
}


def _kept(columns: tuple[str, ...], payload: Mapping[str, Any]) -> list[int]:
    excluded = {name.casefold() for name in payload.get("excludeColumns", ())}
    included = {name.casefold() for name in payload.get("includeColumns", ())}
    return [
        index
        for index, name in enumerate(columns)
        if name.casefold() not in excluded and (not included or name.casefold() in included)
    ]


def _line(values: tuple[str, ...], kept: list[int]) -> str:
    target = io.StringIO()
    csv.writer(target).writerow([values[index] for index in kept])
    return target.getvalue()


@define(eq=False)
class ReportText:
    """
    The CSV of one request.

    Args:
        report_type: Chooses the table; an unknown type gets a general one.
        tag: What tells the rows of this request from those of another.
        rows: How many, without the header.
        payload: The create body: its columns are honoured, its row filters are not.
        bom: Starts with a byte order mark.
        content: The CSV itself, where a test brings its own.
    """

    report_type: str
    tag: str
    rows: int
    payload: Mapping[str, Any] = field(factory=dict[str, Any])
    bom: bool = False
    content: bytes | None = None
    _templates: list[bytes] | None = field(default=None, init=False)

    def blocks(self) -> Iterator[bytes]:
        """Iterate the bytes of the CSV, some hundred kilobytes at a time."""
        if self.content is not None:
            if self.content:
                yield self.content
            return
        table = _TABLES.get(self.report_type, _GENERIC)
        kept = _kept(table.columns, self.payload)
        yield (_BOM if self.bom else b"") + _line(table.columns, kept).encode()
        if self._templates is None:
            self._templates = self._make_templates(table, kept)
        whole = b"".join(self._templates)
        numbered = b"%08d" in whole
        for first in range(0, self.rows, BLOCK_ROWS):
            last = min(first + BLOCK_ROWS, self.rows)
            size = last - first
            template = whole if size == BLOCK_ROWS else b"".join(self._templates[:size])
            # One formatting operation per thousand rows is what makes a million rows cheap.
            yield template % (tuple(range(first, last)) if numbered else ())

    def _make_templates(self, table: _Table, kept: list[int]) -> list[bytes]:
        count = min(BLOCK_ROWS, self.rows)
        lines = (_line(table.row(index), kept) for index in range(count))
        return [
            line.replace("%", "%%").replace(_TAG, self.tag).replace(_NUMBER, "%08d").encode()
            for line in lines
        ]


def digest(text: ReportText) -> str:
    """Return the SHA-256 of the CSV, in hexadecimal."""
    result = hashlib.sha256()
    for block in text.blocks():
        result.update(block)
    return result.hexdigest()
