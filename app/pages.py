"""A widget as a PDF page, or as a picture of any resolution, by Qt's own painters."""

from __future__ import annotations

import math
import re

from PySide6.QtCore import (
    QBuffer,
    QByteArray,
    QIODevice,
    QMarginsF,
    QPointF,
    QRectF,
    QSizeF,
    Qt,
)
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontInfo,
    QImage,
    QPageSize,
    QPainter,
    QPainterPath,
    QPdfWriter,
    QPen,
    QTransform,
)
from PySide6.QtWidgets import QWidget

from app.strokes import Engine, paint
from app.svg import escaped

# In a PDF: which glyph is which letter; Qt writes a tab for a space.
_LETTERS = re.compile(rb"begincmap.*?endcmap", re.DOTALL)


def pdf(widget: QWidget, background: QColor, title: str, description: str) -> bytes:
    """The widget as a PDF page of its own size: text can be selected, fonts are inside, images are exact."""
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    dpi = widget.logicalDpiX()
    writer.setResolution(dpi)  # one unit is one pixel
    points = QSizeF(*(math.ceil(side * 72 / dpi) for side in widget.size().toTuple()))  # whole ones, says Qt
    exact = QPageSize.SizeMatchPolicy.ExactMatch
    writer.setPageSize(QPageSize(points, QPageSize.Unit.Point, "", exact))
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    writer.setTitle(title)
    writer.setCreator("Grokscope")
    writer.setDocumentXmpMetadata(xmp(title, description).encode())
    page = QPainter(writer)
    try:
        paint(widget, _PdfEngine(page), background)
    finally:
        page.end()
        buffer.close()
    return _LETTERS.sub(lambda found: found[0].replace(b"<0009>", b"<0020>"), bytes(data.data()))


def raster(widget: QWidget, background: QColor, scale: float) -> QImage:
    """The widget drawn anew with so many pixels for each of its own; lines, texts and symbols grow with them."""
    image = QImage(widget.size() * scale, QImage.Format.Format_RGB32)
    image.fill(background)
    page = QPainter(image)
    try:
        paint(widget, _PainterEngine(page, scale), background)
    finally:
        page.end()
    return image


def xmp(title: str, description: str) -> str:
    """What a file says of itself, as an XMP packet."""

    def text(name: str, value: str) -> str:
        inner = f'<rdf:li xml:lang="x-default">{escaped(value)}</rdf:li>'
        return f"<dc:{name}><rdf:Alt>{inner}</rdf:Alt></dc:{name}>"

    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">'
        f"{text('title', title)}{text('description', description)}"
        "<xmp:CreatorTool>Grokscope</xmp:CreatorTool></rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    )


class _PainterEngine(Engine):
    """Hands everything on to another painter, enlarged; the widths of lines too, which Qt would leave thin."""

    def __init__(self, page: QPainter, scale: float = 1.0) -> None:
        super().__init__()
        self._page, self._scale = page, scale
        self._clipped: QPainterPath | None = None

    def put_path(self, path: QPainterPath, pen: QPen, brush: QBrush) -> None:
        page = self._prepare()
        strokes = pen.style() != Qt.PenStyle.NoPen
        cosmetic = strokes and (pen.isCosmetic() or pen.widthF() == 0)
        page.setBrush(brush)
        page.setPen(QPen(Qt.PenStyle.NoPen) if cosmetic else pen)
        page.drawPath(path)
        if cosmetic:
            thick = QPen(pen)
            thick.setCosmetic(False)
            thick.setWidthF(pen.widthF() or 1.0)
            page.setTransform(self._enlarging())
            page.strokePath(self.transform.map(path), thick)

    def put_text(self, at: QPointF, text: str, font: QFont, width: float) -> None:
        page = self._prepare()
        page.setFont(self._font(font))
        page.setPen(self.pen)
        page.drawText(at, text)

    def put_image(self, place: QRectF, image: QImage) -> None:
        self._prepare().drawImage(place, image)

    def _font(self, font: QFont) -> QFont:
        """The font with everything said: what a font leaves open, a painter takes from its device's font."""
        whole = QFont(font.families())
        whole.setPixelSize(font.pixelSize() if font.pixelSize() > 0 else QFontInfo(font).pixelSize())
        whole.setWeight(font.weight())
        whole.setStyle(font.style())
        whole.setStretch(font.stretch())
        whole.setUnderline(font.underline())
        whole.setStrikeOut(font.strikeOut())
        whole.setLetterSpacing(font.letterSpacingType(), font.letterSpacing())
        return whole

    def _enlarged(self, place: QRectF, image: QImage) -> QImage:
        return image  # the painter keeps cells sharp

    def _enlarging(self) -> QTransform:
        return QTransform.fromScale(self._scale, self._scale)

    def _prepare(self) -> QPainter:
        page, clip = self._page, self.clip
        if clip != self._clipped:
            page.setTransform(self._enlarging())
            page.setClipPath(clip)
            self._clipped = clip
        page.setTransform(self.transform * self._enlarging())
        page.setOpacity(self.opacity)
        page.setRenderHint(QPainter.RenderHint.Antialiasing, self.antialiased)
        page.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.smooth)
        return page


class _PdfEngine(_PainterEngine):
    """For Qt's PDF writer: images without loss, letters so that they can be found."""

    def __init__(self, page: QPainter) -> None:
        super().__init__(page)
        page.setRenderHint(QPainter.RenderHint.LosslessImageRendering)

    def _font(self, font: QFont) -> QFont:
        plain = super()._font(font)
        plain.setFeature(QFont.Tag("calt"), 0)  # a letter's other forms would be no letters in the file
        return plain

    def _enlarged(self, place: QRectF, image: QImage) -> QImage:
        return Engine._enlarged(self, place, image)
