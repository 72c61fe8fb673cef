"""A widget as SVG."""

from __future__ import annotations

import base64
import math
import unicodedata
from html import escape

from PySide6.QtCore import (
    QBuffer,
    QByteArray,
    QIODevice,
    QPointF,
    QRectF,
    Qt,
)
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontInfo,
    QImage,
    QImageWriter,
    QPainter,
    QPainterPath,
    QPen,
    QTransform,
)
from PySide6.QtWidgets import QWidget

from app.strokes import Engine, paint

FALLBACK_FONTS = "Helvetica Neue, Helvetica, Arial, sans-serif"  # where a viewer does not have ours
_FINE = 3  # pixels of a pattern for each of the screen
_CAPS = {Qt.PenCapStyle.FlatCap: "butt", Qt.PenCapStyle.SquareCap: "square", Qt.PenCapStyle.RoundCap: "round"}
_JOINS = {Qt.PenJoinStyle.BevelJoin: "bevel", Qt.PenJoinStyle.RoundJoin: "round"}


def svg(widget: QWidget, background: QColor, title: str, description: str) -> bytes:
    """The widget as SVG 1.1: text as text, lines as lines, images with their cells sharp."""
    engine = _SvgEngine()
    paint(widget, engine, background)
    return engine.document(widget, title, description).encode()


def png(image: QImage) -> bytes:
    """The image as a PNG file."""
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image)
    return bytes(data.data())


class _SvgEngine(Engine):
    """Writes SVG with all transformations carried out, as not every program knows lines that do not scale."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._clips: dict[str, str] = {}
        self._within = ""  # the clip that is open

    def document(self, widget: QWidget, title: str, description: str) -> str:
        size, dpi = widget.size(), widget.logicalDpiX()
        width, height = (_number(side * 25.4 / dpi) for side in (size.width(), size.height()))
        clips = "".join(f'<clipPath id="{name}"><path d="{d}"/></clipPath>\n' for d, name in self._clips.items())
        body = "\n".join([*self._parts, "</g>" if self._within else ""])
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
            f'width="{width}mm" height="{height}mm" viewBox="0 0 {size.width()} {size.height()}" '
            'xml:space="preserve">\n'
            f"<title>{escaped(title)}</title>\n<desc>{escaped(description)}</desc>\n<defs>\n{clips}</defs>\n"
            f"{body}\n</svg>\n"
        )

    def put_path(self, path: QPainterPath, pen: QPen, brush: QBrush) -> None:
        if brush.style() not in (Qt.BrushStyle.NoBrush, Qt.BrushStyle.SolidPattern):
            self._put_pattern(path, brush)
            brush = QBrush()
        strokes = pen.style() != Qt.PenStyle.NoPen and pen.color().alpha() > 0
        fills = brush.style() != Qt.BrushStyle.NoBrush and brush.color().alpha() > 0
        if path.isEmpty() or not (strokes or fills):
            return
        cosmetic = pen.isCosmetic() or pen.widthF() == 0
        scale = 1.0 if cosmetic else _scale(self.transform)
        placed = not strokes or scale is not None
        drawn = self.transform.map(path) if placed else path
        if not drawn.boundingRect().adjusted(-9, -9, 9, 9).intersects(self.frame) and placed:
            return
        look = [_colour("fill", brush.color() if fills else None)]
        if fills and path.fillRule() == Qt.FillRule.OddEvenFill:
            look.append('fill-rule="evenodd"')
        if strokes:
            look += _stroke(pen, (pen.widthF() or 1.0) * (1.0 if scale is None else scale))
        if not placed:
            look.append(_matrix(self.transform))
        self._put(f'<path d="{_data(drawn)}" {" ".join(look)}{self._fade()}/>')

    def put_text(self, at: QPointF, text: str, font: QFont, width: float) -> None:
        place, turned = at, ""
        if _scale(self.transform) == 1 and self.transform.m12() == 0 and self.transform.m11() > 0:
            place = self.transform.map(at)
        else:
            turned = " " + _matrix(self.transform)
        family = f'"{escape(f"{font.family()}, {FALLBACK_FONTS}")}"'
        size = font.pixelSize() if font.pixelSize() > 0 else QFontInfo(font).pixelSize()
        weight = f' font-weight="{font.weight().value}"' if font.weight() != QFont.Weight.Normal else ""
        italic = ' font-style="italic"' if font.italic() else ""
        # A viewer without our font keeps every text in its place.
        fitted = f' textLength="{_number(width)}" lengthAdjust="spacingAndGlyphs"' if len(text) > 1 else ""
        self._put(
            f'<text x="{_number(place.x())}" y="{_number(place.y())}"{turned} font-family={family} font-size="{size}"'
            f"{weight}{italic}{fitted} {_colour('fill', self.pen.color())}{self._fade()}>{escaped(text)}</text>"
        )

    def put_image(self, place: QRectF, image: QImage) -> None:
        code = base64.b64encode(png(image)).decode()
        sides = (place.x(), place.y(), place.width(), place.height())
        names = ("x", "y", "width", "height")
        box = " ".join(f'{name}="{_number(side)}"' for name, side in zip(names, sides, strict=True))
        sharp = "" if self.smooth else ' style="image-rendering:pixelated"'
        self._put(
            f'<image {box} {_matrix(self.transform)} preserveAspectRatio="none"{sharp}{self._fade()} '
            f'xlink:href="data:image/png;base64,{code}"/>'
        )

    def _put_pattern(self, path: QPainterPath, brush: QBrush) -> None:
        """A gradient or a hatching, as a picture."""
        there = self.transform.map(path)
        box = there.boundingRect().intersected(self.clip.boundingRect()).toAlignedRect()
        if box.isEmpty():
            return
        image = QImage(box.size() * _FINE, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(_FINE, _FINE)
        painter.translate(-box.topLeft())
        painter.setTransform(self.transform, True)
        painter.fillPath(path, brush)
        painter.end()
        transform, self.transform = self.transform, QTransform()
        self.put_image(QRectF(box), image)
        self.transform = transform

    def _put(self, element: str) -> None:
        """One element, within what may be painted on."""
        wanted = self._clips.setdefault(_data(self.clip), f"clip{len(self._clips) + 1}")
        if wanted != self._within:
            self._parts += ["</g>"] if self._within else []
            self._parts.append(f'<g clip-path="url(#{wanted})">')
            self._within = wanted
        self._parts.append(element)

    def _fade(self) -> str:
        return "" if self.opacity >= 1 else f' opacity="{_number(self.opacity)}"'


def _scale(transform: QTransform) -> float | None:
    """By how much it enlarges; None where that depends on the direction."""
    m11, m12, m21, m22 = transform.m11(), transform.m12(), transform.m21(), transform.m22()
    size = math.hypot(m11, m12)
    turns = math.isclose(m11 * m21 + m12 * m22, 0, abs_tol=1e-6 * size**2)
    return size if turns and math.isclose(size, math.hypot(m21, m22), rel_tol=1e-6) else None


def _stroke(pen: QPen, width: float) -> list[str]:
    look = [
        _colour("stroke", pen.color()),
        f'stroke-width="{_number(width)}"',
        f'stroke-linecap="{_CAPS.get(pen.capStyle(), "butt")}"',
        f'stroke-linejoin="{_JOINS.get(pen.joinStyle(), "miter")}"',
    ]
    if pen.style() != Qt.PenStyle.SolidLine:
        look.append(f'stroke-dasharray="{",".join(_number(length * width) for length in pen.dashPattern())}"')
    return look


def _colour(what: str, colour: QColor | None) -> str:
    if colour is None:
        return f'{what}="none"'
    see_through = f' {what}-opacity="{_number(colour.alphaF())}"' if colour.alpha() < 255 else ""
    return f'{what}="{colour.name()}"{see_through}'


def _matrix(t: QTransform) -> str:
    parts = (f"{value:.6g}" for value in (t.m11(), t.m12(), t.m21(), t.m22(), t.dx(), t.dy()))
    return f'transform="matrix({",".join(parts)})"'


def _data(path: QPainterPath) -> str:
    """A path in SVG's letters."""
    kind = QPainterPath.ElementType
    words: list[str] = []
    for i in range(path.elementCount()):
        element = path.elementAt(i)
        letter = {kind.MoveToElement: "M", kind.LineToElement: "L", kind.CurveToElement: "C"}.get(element.type, "")
        words.append(f"{letter}{_number(element.x)},{_number(element.y)}")
    return " ".join(words)


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def escaped(text: str) -> str:
    """As text of an XML document; spaces of every width stay, characters that control something go."""
    return escape("".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C"), quote=False)
