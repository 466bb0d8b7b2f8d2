//! Room: loadgen. Draws a chart as SVG. Touches: chart, scale.
//!
//! Colours are classes that the page's style (or, of a drawing that stands alone, its own) gives light and dark values.

use super::chart::{Band, Chart, Entry, Line, Look, Mark, Shape};
use super::scale::{Scale, Span, Tick};
use super::{escape, style_part};
use std::fmt::Write;

/// Width and height in CSS pixels.
pub(super) type Size = (f64, f64);
/// Half of the page's width, all of it, a phone's, and a picture's in a document.
pub(super) const HALF: Size = (560.0, 320.0);
pub(super) const FULL: Size = (1136.0, 320.0);
pub(super) const NARROW: Size = (372.0, 280.0);
pub(super) const ALONE: Size = (860.0, 380.0);

pub(super) const X_TICKS: usize = 7;
pub(super) const Y_TICKS: usize = 5;

// The mean width of a character of the 12 px type of labels, in a wide type (DejaVu Sans).
const LETTER: f64 = 7.0;

/// Where the axes meet, and how far they go.
struct Inside {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Inside {
    fn x(&self, at: f64) -> f64 {
        self.left + at * self.width
    }

    fn y(&self, at: f64) -> f64 {
        self.top + (1.0 - at) * self.height
    }
}

/// How wide `text` is drawn, about.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

pub(super) fn draw(chart: &Chart, size: Size, y_scale: Scale, spoken: Option<&str>) -> String {
    let x_span = chart.x_span(X_TICKS);
    let y_span = chart.y_span(y_scale, Y_TICKS);
    let (x_ticks, y_ticks) = (x_span.ticks(), y_span.ticks());
    let widest = y_ticks.iter().map(|t| width_of(&t.label)).fold(0.0, f64::max);
    let left = (widest + 10.0).max(34.0);
    // Stretches are named between the axis' label and the axis, where no line runs.
    let named = chart.marks.iter().any(|m| matches!(m, Mark::Stretch { .. }));
    let top = if named { 42.0 } else { 26.0 };
    let inside = Inside { left, top, width: size.0 - left - 16.0, height: size.1 - top - 42.0 };
    let mut out = String::new();
    let _ = write!(out, "<svg class=\"chart\" viewBox=\"0 0 {} {}\"", size.0, size.1);
    if let Some(spoken) = spoken {
        let _ = write!(
            out,
            " role=\"img\" tabindex=\"0\" aria-label=\"{}\" data-inside=\"{:.1} {:.1} {:.1} {:.1}\"",
            escape(spoken),
            inside.left,
            inside.top,
            inside.width,
            inside.height
        );
    }
    out.push_str(">\n");
    stretches(&mut out, chart, &x_span, &inside);
    grid(&mut out, chart, &x_ticks, &y_ticks, &inside, size);
    for (at, band) in chart.bands.iter().enumerate() {
        draw_band(&mut out, band, at, &x_span, &y_span, &inside);
    }
    for (at, line) in chart.lines.iter().enumerate() {
        draw_line(&mut out, line, at, &x_span, &y_span, &inside);
    }
    marks(&mut out, chart, &x_span, &y_span, &inside);
    out.push_str("</svg>\n");
    out
}

fn grid(out: &mut String, chart: &Chart, x_ticks: &[Tick], y_ticks: &[Tick], inside: &Inside, size: Size) {
    let (left, right) = (inside.left, inside.left + inside.width);
    let bottom = inside.top + inside.height;
    let mut fine = String::new();
    let mut coarse = String::new();
    let mut free = f64::INFINITY;
    for tick in y_ticks {
        let y = inside.y(tick.at);
        let path = if tick.label.is_empty() { &mut fine } else { &mut coarse };
        let _ = write!(path, "M{left:.1} {y:.1}H{right:.1}");
        // Labels of a log axis crowd towards the top.
        if !tick.label.is_empty() && free - y >= 13.0 {
            let _ = writeln!(
                out,
                "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 7.0,
                y + 4.0,
                escape(&tick.label)
            );
            free = y;
        }
    }
    let mut free = f64::NEG_INFINITY;
    for tick in x_ticks {
        let x = inside.x(tick.at);
        let path = if tick.label.is_empty() { &mut fine } else { &mut coarse };
        let _ = write!(path, "M{x:.1} {:.1}V{bottom:.1}", inside.top);
        let half = width_of(&tick.label) / 2.0;
        // A label at the end would be cut off: it ends where the drawing does.
        let (anchor, at) = if x + half > size.0 { ("end", size.0 - 1.0) } else { ("middle", x) };
        let begins = if anchor == "end" { at - 2.0 * half } else { at - half };
        if !tick.label.is_empty() && begins > free + 6.0 {
            let _ = writeln!(
                out,
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                bottom + 17.0,
                escape(&tick.label)
            );
            free = begins + 2.0 * half;
        }
    }
    let _ = writeln!(out, "<path class=\"fine\" d=\"{fine}\"/>\n<path class=\"grid\" d=\"{coarse}\"/>");
    let _ = writeln!(out, "<path class=\"axis\" d=\"M{left:.1} {bottom:.1}H{right:.1}\"/>");
    let _ = writeln!(out, "<text class=\"label\" x=\"2\" y=\"13\">{}</text>", escape(&chart.y.label));
    let _ = writeln!(
        out,
        "<text class=\"label\" x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\">{} →</text>",
        size.1 - 5.0,
        escape(&chart.x.label)
    );
}

fn stretches(out: &mut String, chart: &Chart, x_span: &Span, inside: &Inside) {
    let mut shaded = false;
    for mark in &chart.marks {
        let Mark::Stretch { from, to, label } = mark else { continue };
        let (from, to) = (inside.x(x_span.place(*from)), inside.x(x_span.place(*to)));
        if shaded {
            let _ = writeln!(
                out,
                "<rect class=\"stretch\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                inside.top - 18.0,
                (to - from).max(0.0),
                inside.height + 18.0
            );
        }
        shaded = !shaded;
        if to - from > width_of(label) {
            let (x, y) = (from + 2.0, inside.top - 6.0);
            let _ = writeln!(out, "<text class=\"mark\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(label));
        }
    }
}

fn marks(out: &mut String, chart: &Chart, x_span: &Span, y_span: &Span, inside: &Inside) {
    let (left, right) = (inside.left, inside.left + inside.width);
    let mut on_left = false;
    let mut before: Option<f64> = None;
    for mark in &chart.marks {
        match mark {
            Mark::Level { at, label, colour } => {
                let y = inside.y(y_span.place(*at));
                // Two labels at about one height stand at different ends.
                on_left = before.is_some_and(|b| (b - y).abs() < 16.0) && !on_left;
                before = Some(y);
                let (x, anchor) = if on_left { (left + 6.0, "start") } else { (right - 4.0, "end") };
                let text_y = if y < inside.top + 16.0 { y + 14.0 } else { y - 5.0 };
                let class = colour.class();
                let _ = writeln!(out, "<path class=\"level {class}\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
                let _ = writeln!(
                    out,
                    "<text class=\"mark {class}\" x=\"{x:.1}\" y=\"{text_y:.1}\" text-anchor=\"{anchor}\">{}</text>",
                    escape(label)
                );
            }
            Mark::Place { at, label } => {
                let x = inside.x(x_span.place(*at));
                let fits = x + width_of(label) + 6.0 < right;
                let (text_x, anchor) = if fits { (x + 5.0, "start") } else { (x - 5.0, "end") };
                let bottom = inside.top + inside.height;
                let _ = writeln!(out, "<path class=\"level muted\" d=\"M{x:.1} {:.1}V{bottom:.1}\"/>", inside.top);
                let _ = writeln!(
                    out,
                    "<text class=\"mark\" x=\"{text_x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                    // At the foot: curves of latency fill the upper right.
                    bottom - 7.0,
                    escape(label)
                );
            }
            Mark::Stretch { .. } => {}
        }
    }
}

fn draw_band(out: &mut String, band: &Band, at: usize, x_span: &Span, y_span: &Span, inside: &Inside) {
    let mut path = String::new();
    for piece in band.points.split(|p| !p.1.is_finite() || !p.2.is_finite()).filter(|p| p.len() > 1) {
        let x = |v: f64| inside.x(x_span.place(v));
        let y = |v: f64| inside.y(y_span.place(v));
        for (i, point) in piece.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x(point.0), y(point.2));
        }
        for point in piece.iter().rev() {
            let _ = write!(path, "L{:.1} {:.1}", x(point.0), y(point.1));
        }
        path.push('Z');
    }
    let _ = writeln!(out, "<path class=\"band {}\" data-key=\"b{at}\" d=\"{path}\"/>", band.colour.class());
}

fn draw_line(out: &mut String, line: &Line, at: usize, x_span: &Span, y_span: &Span, inside: &Inside) {
    let x = |v: f64| inside.x(x_span.place(v));
    let y = |v: f64| inside.y(y_span.place(v));
    let class = line.colour.class();
    let _ = write!(out, "<g class=\"{class}\" data-key=\"l{at}\">");
    if line.shape != Shape::Points {
        let mut path = String::new();
        for piece in line.points.split(|p| !p.1.is_finite()) {
            for (i, point) in piece.iter().enumerate() {
                let _ = match (i, line.shape) {
                    (0, _) => write!(path, "M{:.1} {:.1}", x(point.0), y(point.1)),
                    (_, Shape::Steps) => write!(path, "H{:.1}V{:.1}", x(point.0), y(point.1)),
                    _ => write!(path, "L{:.1} {:.1}", x(point.0), y(point.1)),
                };
            }
            // One point between gaps is a line of no length, which a round cap makes visible.
            if piece.len() == 1 {
                path.push_str("h0");
            }
        }
        let kind = if line.shape == Shape::Dashed { "line dashed" } else { "line" };
        let _ = write!(out, "<path class=\"{kind}\" d=\"{path}\"/>");
    }
    if matches!(line.shape, Shape::Dotted | Shape::Points) {
        for point in line.points.iter().filter(|p| p.1.is_finite()) {
            let _ = write!(out, "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\"/>", x(point.0), y(point.1));
        }
    }
    out.push_str("</g>\n");
}

/// A whole SVG file around a drawing: title and legend above, colours within.
pub(super) fn standalone(title: &str, legend: &[Entry], drawing: &str, size: Size) -> String {
    let mut out = String::new();
    let (width, head) = (size.0 + 32.0, 64.0);
    let height = size.1 + head + 12.0;
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{0}</title>\n<style>\n{1}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n<text class=\"title\" x=\"16\" y=\"27\">{0}</text>\n",
        escape(title),
        alone_style()
    );
    let mut x = 16.0;
    for Entry { name, colour, look, .. } in legend {
        let class = colour.class();
        let _ = match look {
            Look::Area => write!(out, "<rect class=\"band {class}\" x=\"{x}\" y=\"41\" width=\"14\" height=\"10\"/>"),
            Look::Bar => write!(
                out,
                "<g class=\"{class}\"><rect class=\"bar\" x=\"{x}\" y=\"41\" width=\"14\" height=\"10\" rx=\"2\"/></g>"
            ),
            Look::Dash => write!(out, "<g class=\"{class}\"><path class=\"line dashed\" d=\"M{x} 46h14\"/></g>"),
            Look::Stroke => write!(out, "<g class=\"{class}\"><path class=\"line\" d=\"M{x} 46h14\"/></g>"),
            Look::Dot => write!(out, "<circle class=\"dot {class}\" cx=\"{}\" cy=\"46\" r=\"4\"/>", x + 7.0),
        };
        let _ = writeln!(out, "<text class=\"tick\" x=\"{}\" y=\"50\">{}</text>", x + 20.0, escape(name));
        x += 20.0 + width_of(name) + 18.0;
    }
    let _ = write!(out, "<g transform=\"translate(16 {head})\">\n<svg width=\"{}\" height=\"{}\" ", size.0, size.1);
    out.push_str(drawing.strip_prefix("<svg").map_or(drawing, str::trim_start));
    out.push_str("</g>\n</svg>\n");
    out
}

/// The part of the page's style that drawings need: its colours, and what stands between its markers.
fn alone_style() -> String {
    format!(
        "svg {{{}}}\n@media (prefers-color-scheme: dark) {{ svg {{{}}} }}\n{}\n\
         .paper {{ fill: var(--card); }}\n.title {{ font: 600 16px system-ui, sans-serif; fill: var(--ink); }}\n",
        style_part("light colours"),
        style_part("dark colours"),
        style_part("drawings")
    )
}
