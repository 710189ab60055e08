//! One chart of lines with a legend: the power of a study by its cases, or ROC curves of readers.

use std::error::Error;
use std::ops::Range;

use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::prelude::{
    Color, IntoDrawingArea, LineSeries, PathElement, RGBColor, SVGBackend, SeriesLabelPosition,
    WHITE,
};
use plotters::style::IntoFont;

use super::{COLOURS, FAINT, GREY, name_series};

/// Width and height.
const SIZE: (u32, u32) = (720, 520);
/// Width of the line in the legend.
const SAMPLE: i32 = 18;

/// A chart of lines.
pub struct LineChart<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub xs: Range<f64>,
    /// A grey line for comparison.
    pub guide: Option<[(f64, f64); 2]>,
    /// With y from 0 to 1.
    pub lines: Vec<ChartLine>,
}

/// One line.
pub struct ChartLine {
    pub name: String,
    /// Drawn thin, beside the line of the same number.
    pub is_thin: bool,
    /// Lines with the same number have one colour.
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
}

/// The chart as SVG.
///
/// # Errors
/// If it cannot be drawn.
pub fn line_chart(chart: &LineChart) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let margin = (chart.xs.end - chart.xs.start) * 0.01;
        let xs = chart.xs.start - margin..chart.xs.end + margin;
        let mut drawn = ChartBuilder::on(&root)
            .caption(chart.title, ("sans-serif", 20).into_font())
            .margin(12)
            .set_label_area_size(LabelAreaPosition::Left, 52)
            .set_label_area_size(LabelAreaPosition::Bottom, 42)
            .build_cartesian_2d(xs, -0.01..1.01)?;
        drawn
            .configure_mesh()
            .x_desc(chart.x)
            .y_desc(chart.y)
            .y_label_formatter(&|v| format!("{v:.1}"))
            .bold_line_style(FAINT)
            .light_line_style(WHITE)
            .label_style(("sans-serif", 14).into_font())
            .axis_desc_style(("sans-serif", 15).into_font())
            .draw()?;
        if let Some(guide) = chart.guide {
            drawn.draw_series(LineSeries::new(guide, GREY))?;
        }
        for line in &chart.lines {
            let colour: RGBColor = COLOURS[line.colour % COLOURS.len()];
            let style = colour.stroke_width(if line.is_thin { 1 } else { 3 });
            drawn
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(line.name.as_str())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + SAMPLE, y)], style));
        }
        if !chart.lines.is_empty() {
            name_series(&mut drawn, SeriesLabelPosition::LowerRight)?;
        }
        root.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_its_lines_and_no_text_leaves_its_place() {
        let line = |name: &str, is_thin| ChartLine {
            name: name.to_owned(),
            is_thin,
            colour: 7,
            points: vec![(50.0, 0.1), (500.0, 0.9)],
        };
        let chart = LineChart {
            title: "Power & size",
            x: "cases",
            y: "power",
            xs: 0.0..500.0,
            guide: Some([(0.0, 0.8), (500.0, 0.8)]),
            lines: vec![line("<script>5 readers", false), line("6 readers", true)],
        };
        let svg = line_chart(&chart).unwrap();
        assert!(svg.contains("6 readers") && svg.contains("cases"), "{svg}");
        assert!(!svg.contains("<script>"));
        assert!(svg.trim_end().ends_with("</svg>"));
        let empty = LineChart {
            lines: vec![],
            ..chart
        };
        line_chart(&empty).unwrap();
    }
}
