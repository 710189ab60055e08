//! Differences of two measurements against their mean, with the limits of agreement (Bland and Altman 1986,
//! doi:10.1016/S0140-6736(86)90837-8).

use std::error::Error;

use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::prelude::{
    Circle, Color, IntoDrawingArea, LineSeries, RGBColor, SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::style::IntoFont;

use super::{COLOURS, FAINT, GREY, MOST_CURVES, name_series};

/// Width and height.
const SIZE: (u32, u32) = (720, 460);
/// Radius of a point.
const POINT: i32 = 3;

/// A chart of differences.
pub struct DifferenceChart<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    /// The measurements are from 0 to this, and their differences from minus this.
    pub scale: f64,
    /// Names of the series. Those after the sixth share one grey.
    pub series: &'a [&'a str],
    pub points: Vec<DifferencePoint>,
    /// The lower limit, the mean difference and the upper limit.
    pub lines: [f64; 3],
}

/// One pair of measurements.
pub struct DifferencePoint {
    /// The number of its series.
    pub series: usize,
    pub mean: f64,
    pub difference: f64,
}

/// The chart as SVG.
///
/// # Errors
/// If it cannot be drawn.
pub fn difference_chart(chart: &DifferenceChart) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let shown = chart.points.iter().map(|point| point.difference.abs());
        let lines = chart.lines.iter().map(|line| line.abs());
        let most = shown.chain(lines).fold(chart.scale / 10.0, f64::max) * 1.1;
        let margin = chart.scale * 0.02;
        let mut drawn = ChartBuilder::on(&root)
            .caption(chart.title, ("sans-serif", 20).into_font())
            .margin(12)
            .set_label_area_size(LabelAreaPosition::Left, 52)
            .set_label_area_size(LabelAreaPosition::Bottom, 42)
            .build_cartesian_2d(-margin..chart.scale + margin, -most..most)?;
        drawn
            .configure_mesh()
            .x_desc(chart.x)
            .y_desc(chart.y)
            .bold_line_style(FAINT)
            .light_line_style(WHITE)
            .label_style(("sans-serif", 14).into_font())
            .axis_desc_style(("sans-serif", 15).into_font())
            .draw()?;
        let ends = [-margin, chart.scale + margin];
        drawn.draw_series(LineSeries::new(ends.map(|x| (x, 0.0)), FAINT))?;
        for (line, width) in chart.lines.into_iter().zip([1, 2, 1]) {
            let style = GREY.stroke_width(width);
            drawn.draw_series(LineSeries::new(ends.map(|x| (x, line)), style))?;
        }
        for series in 0..chart.series.len().min(MOST_CURVES + 1) {
            let colour = COLOURS.get(series).copied().unwrap_or(GREY);
            let own = chart.points.iter();
            let own = own.filter(|point| point.series.min(MOST_CURVES) == series);
            let dot = |place: (f64, f64)| Circle::new(place, POINT, colour.mix(0.6).filled());
            let name = match series {
                MOST_CURVES => "others",
                _ => chart.series[series],
            };
            drawn
                .draw_series(own.map(|point| dot((point.mean, point.difference))))?
                .label(name)
                .legend(move |place| legend(place, colour));
        }
        if !chart.series.is_empty() {
            name_series(&mut drawn, SeriesLabelPosition::UpperRight)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn legend((x, y): (i32, i32), colour: RGBColor) -> Circle<(i32, i32), i32> {
    Circle::new((x + 9, y), POINT, colour.filled())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_point_for_each_pair_and_all_names_of_six_readers() {
        let names = ["<i>ann", "b", "c", "d", "e", "f", "g", "h"];
        let points = (0..8).map(|series| DifferencePoint {
            series,
            mean: 10.0 * series as f64,
            difference: 5.0 - series as f64,
        });
        let chart = DifferenceChart {
            title: "Ratings",
            x: "mean",
            y: "difference",
            scale: 100.0,
            series: &names,
            points: points.collect(),
            lines: [-8.0, 1.0, 10.0],
        };
        let svg = difference_chart(&chart).unwrap();
        // Eight points, and seven in the legend.
        assert_eq!(svg.matches("<circle").count(), 15, "{svg}");
        assert!(svg.contains("others") && !svg.contains("<i>"), "{svg}");
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
