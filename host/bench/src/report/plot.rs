//! A plot as SVG.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::people::number;
use super::{Line, Plot};

/// In pixels; on the page it is as wide as the window.
const SIZE: (u32, u32) = (860, 380);

/// Told apart by those who see no red or no green, too; as many as there are curves.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

/// The plot; nothing where there are no points to draw.
pub(super) fn svg(plot: &Plot) -> String {
    let points = || plot.lines.iter().flat_map(|line| &line.points).filter(|it| is_shown(plot, it));
    let (Some(x), Some(y)) = (range(points().map(|it| it.0)), range(points().map(|it| it.1)))
    else {
        return String::new();
    };
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    let drawn = match plot.log {
        true => draw(&area, plot, x, (y.start / 1.3..y.end * 1.3).log_scale()),
        false => draw(&area, plot, x, 0.0..y.end.max(f64::MIN_POSITIVE) * 1.08),
    };
    drop(area);
    // The backend writes into memory, which doesn't fail.
    if drawn.is_err() { String::new() } else { as_wide_as_the_page(&text) }
}

/// A logarithm has no zero, and no plot shows what never came.
fn is_shown(plot: &Plot, (x, y): &(f64, f64)) -> bool {
    x.is_finite() && y.is_finite() && (*y > 0.0 || !plot.log)
}

fn range(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    match least <= most {
        // One point alone still has room around it.
        true if least == most => Some(least * 0.5..most * 1.5 + f64::MIN_POSITIVE),
        true => Some(least..most),
        false => None,
    }
}

fn draw<Y>(area: &Area<'_>, plot: &Plot, x: Range<f64>, y: Y) -> Drawn<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    area.fill(&WHITE)?;
    // Lines between the powers of ten; elsewhere the labelled ones are enough.
    let between = if plot.log { BLACK.mix(0.05) } else { TRANSPARENT };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(24)
        .x_label_area_size(46)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..x.end, y)?;
    chart
        .configure_mesh()
        .light_line_style(between)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.6))
        .x_desc(plot.x)
        .y_desc(plot.y)
        .x_labels(10)
        .y_labels(8)
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 15))
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| label(*value))
        .draw()?;
    for (Line { name, points }, colour) in plot.lines.iter().zip(COLOURS.iter().cycle()) {
        let shown = points.iter().copied().filter(|it| is_shown(plot, it));
        let few = points.len() <= 20;
        chart
            .draw_series(LineSeries::new(shown.clone(), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
        if few {
            chart.draw_series(shown.map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    if plot.lines.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .label_font(("sans-serif", 14))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

/// Without the digits that say nothing.
fn label(value: f64) -> String {
    let text = number(value);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// The picture keeps its shape and takes the width that there is.
fn as_wide_as_the_page(svg: &str) -> String {
    let (width, height) = SIZE;
    svg.replacen(&format!("width=\"{width}\" height=\"{height}\" "), "class=\"plot\" ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(log: bool, points: &[(f64, f64)]) -> Plot {
        let lines = vec![Line { name: "p50".to_owned(), points: points.to_vec() }];
        Plot { title: "t".to_owned(), x: "seconds", y: "ms", log, lines }
    }

    #[test]
    fn a_curve_is_drawn_with_its_axes() {
        for log in [false, true] {
            let svg = svg(&plot(log, &[(1.0, 2.0), (2.0, 40.0), (3.0, 900.0)]));
            assert!(svg.starts_with("<svg class=\"plot\" viewBox"), "{svg}");
            assert!(svg.contains("<polyline") && svg.contains("seconds"), "{svg}");
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let odd = [(1.0, f64::INFINITY), (2.0, f64::NAN), (3.0, 0.0)];
        assert_eq!(svg(&plot(true, &odd)), "");
        assert_eq!(svg(&plot(false, &[])), "");
        assert!(svg(&plot(false, &[(1.0, 0.0)])).contains("<svg"));
        assert!(svg(&plot(true, &[(5.0, 7.0)])).contains("<svg"));
    }
}
