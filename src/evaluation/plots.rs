//! A page of plots for each question: ROC and precision-recall curves, reliability, scores by class, and
//! the confusion at the first operating point. SVG: the viewer's own fonts are used.

pub mod differences;
pub mod lines;

use std::error::Error;

use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    BLACK, Cartesian2d, Circle, Color, DrawingArea, IntoDrawingArea, LineSeries, PathElement,
    RGBColor, Rectangle, SVGBackend, SeriesLabelPosition, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont, IntoTextStyle, TextStyle};

use super::measure::{PlotPanel, SeverityPanel};
use super::question::SeverityScale;
use super::report::CaseGroup;
use super::sample::Sample;
use super::statistics::{
    Confusion, Z_95, area_under_roc, average_precision, bland_altman::bias_and_deviation,
    precision_recall_curve, reliability, roc_curve,
};
use super::tables::counted;
use differences::{DifferenceChart, DifferencePoint, difference_chart};

/// Width and height of a page.
const PAGE: (u32, u32) = (1260, 840);
/// Curves of more groups than this cannot be told apart.
const MOST_CURVES: usize = 6;
/// Bins of the score histogram, from 0 to 1.
const HISTOGRAM_BINS: usize = 20;

/// Okabe and Ito's colours, which the colour-blind can tell apart; black is for all cases.
const COLOURS: [RGBColor; MOST_CURVES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
const GREY: RGBColor = RGBColor(150, 150, 150);
const FAINT: RGBColor = RGBColor(225, 225, 225);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;
type Chart<'a, 'b> =
    plotters::chart::ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The names of a chart's series, in a box over the chart.
fn name_series<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>, place: SeriesLabelPosition) -> Drawn {
    chart
        .configure_series_labels()
        .position(place)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13).into_font())
        .draw()?;
    Ok(())
}

/// The page of one question as SVG.
///
/// # Errors
/// If it cannot be drawn.
pub fn page(panel: &PlotPanel) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, PAGE).into_drawing_area();
        root.fill(&WHITE)?;
        let title = format!(
            "{}: {} of {}, {} positive",
            panel.question.name(),
            counted(panel.all.len(), "image"),
            counted(panel.all.patients(), "patient"),
            panel.all.positives()
        );
        let root = root.titled(&title, ("sans-serif", 24).into_font())?;
        let areas = root.split_evenly((2, 3));
        let curves = curves(panel);
        roc(&areas[0], &curves)?;
        precision_recall(&areas[1], &curves)?;
        calibration(&areas[2], &curves)?;
        histogram(&areas[3], panel)?;
        confusion(&areas[4], panel)?;
        legend(&areas[5], &curves)?;
        root.present()?;
    }
    Ok(svg)
}

/// The differences of the model from the reference standard on a scale of severity, as SVG.
///
/// # Errors
/// If it cannot be drawn.
pub fn severity(panel: &SeverityPanel) -> Result<String, Box<dyn Error>> {
    let (words, scale) = match panel.scale {
        SeverityScale::GeographicExtent => ("Geographic extent", 8.0),
        SeverityScale::Opacity => ("Opacity", 6.0),
    };
    let pairs = panel.pairs.iter().map(|pair| (pair.predicted, pair.truth));
    let pairs: Vec<_> = pairs.collect();
    let (bias, deviation) = bias_and_deviation(&pairs).ok_or("fewer than two images")?;
    let points = pairs.iter().map(|(predicted, truth)| DifferencePoint {
        series: 0,
        mean: (predicted + truth) / 2.0,
        difference: predicted - truth,
    });
    let reach = Z_95 * deviation;
    difference_chart(&DifferenceChart {
        title: &format!("{words}: {}", counted(pairs.len(), "image")),
        x: &format!("mean of model and reference, 0 to {scale}"),
        y: "model − reference",
        scale,
        series: &["images"],
        points: points.collect(),
        lines: [bias - reach, bias, bias + reach],
    })
}

/// One line in several plots.
struct Curve<'a> {
    name: String,
    colour: RGBColor,
    sample: &'a Sample,
}

/// All cases, and the groups with most of them.
fn curves(panel: &PlotPanel) -> Vec<Curve<'_>> {
    let mut groups: Vec<&(CaseGroup, Sample)> = panel.groups.iter().collect();
    groups.sort_by_key(|(_, sample)| std::cmp::Reverse(sample.len()));
    let all = Curve {
        name: "all".to_owned(),
        colour: BLACK,
        sample: &panel.all,
    };
    let groups = groups.into_iter().zip(COLOURS);
    let groups = groups.map(|((group, sample), colour)| Curve {
        name: group.value.chars().take(24).collect(),
        colour,
        sample,
    });
    std::iter::once(all).chain(groups).collect()
}

fn roc(area: &Area, curves: &[Curve]) -> Drawn {
    let mut chart = square(area, "ROC", "1 − specificity", "sensitivity")?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], GREY))?;
    for curve in curves.iter().rev() {
        let points = roc_curve(curve.sample);
        chart.draw_series(LineSeries::new(points, curve.colour.stroke_width(2)))?;
    }
    Ok(())
}

fn precision_recall(area: &Area, curves: &[Curve]) -> Drawn {
    let mut chart = square(
        area,
        "Precision and recall",
        "recall (sensitivity)",
        "precision (PPV)",
    )?;
    for curve in curves.iter().rev() {
        let prevalence = curve.sample.positives() as f64 / curve.sample.len() as f64;
        let chance = [(0.0, prevalence), (1.0, prevalence)];
        chart.draw_series(LineSeries::new(chance, curve.colour.mix(0.3)))?;
        // As steps: between two scores there is nothing to interpolate.
        let points = precision_recall_curve(curve.sample);
        let steps = points
            .windows(2)
            .flat_map(|pair| [(pair[0].0, pair[1].1), (pair[1].0, pair[1].1)]);
        chart.draw_series(LineSeries::new(steps, curve.colour.stroke_width(2)))?;
    }
    Ok(())
}

fn calibration(area: &Area, curves: &[Curve]) -> Drawn {
    let mut chart = square(
        area,
        "Reliability",
        "mean score of a bin",
        "share of positive images",
    )?;
    chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], GREY))?;
    for curve in curves.iter().rev() {
        let bins = reliability(curve.sample, &curve.sample.once());
        let filled = bins.iter().filter(|bin| bin.weight > 0.0);
        let points: Vec<_> = filled
            .map(|bin| {
                let place = (bin.score / bin.weight, bin.positive / bin.weight);
                (place, bin.weight / curve.sample.len() as f64)
            })
            .collect();
        let line = points.iter().map(|(place, _)| *place);
        chart.draw_series(LineSeries::new(line, curve.colour.stroke_width(1)))?;
        // The area of a dot is the share of the images.
        let dots = points.iter().map(|&(place, share)| {
            Circle::new(
                place,
                (2.0 + 10.0 * share.sqrt()) as i32,
                curve.colour.filled(),
            )
        });
        chart.draw_series(dots)?;
    }
    Ok(())
}

fn histogram(area: &Area, panel: &PlotPanel) -> Drawn {
    let share = |class: bool| {
        let mut bins = [0.0; HISTOGRAM_BINS];
        let cases = panel.all.scores().iter().zip(panel.all.positive());
        let cases: Vec<_> = cases.filter(|(_, positive)| **positive == class).collect();
        for (score, _) in &cases {
            let at = (*score * HISTOGRAM_BINS as f64) as usize;
            bins[at.min(HISTOGRAM_BINS - 1)] += 1.0 / cases.len() as f64;
        }
        bins
    };
    let (positive, negative) = (share(true), share(false));
    let top = positive
        .iter()
        .chain(&negative)
        .fold(0.0_f64, |a, b| a.max(*b));
    let top = (top * 1.05).max(0.05);
    let mut chart = chart(area, "Scores", "score", "share of the class", top)?;
    let classes = [
        ("positive", positive, COLOURS[1]),
        ("negative", negative, COLOURS[0]),
    ];
    for (name, bins, colour) in classes {
        let width = 1.0 / HISTOGRAM_BINS as f64;
        let bar = |(at, height): (usize, f64)| {
            let left = at as f64 * width;
            Rectangle::new(
                [(left, 0.0), (left + width, height)],
                colour.mix(0.45).filled(),
            )
        };
        let bars = bins
            .into_iter()
            .enumerate()
            .filter(|(_, height)| *height > 0.0);
        chart
            .draw_series(bars.map(bar))?
            .label(name)
            .legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.mix(0.45).filled())
            });
    }
    for point in &panel.points {
        let line = [(point.threshold, 0.0), (point.threshold, top)];
        chart.draw_series(LineSeries::new(line, BLACK))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperMiddle)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

/// The four cells at the first operating point, each as dark as its share of its true class.
fn confusion(area: &Area, panel: &PlotPanel) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let Some(point) = panel.points.first() else {
        return text(
            area,
            "no operating point",
            (width as i32 / 2, height as i32 / 2),
            16,
            BLACK,
        );
    };
    let title = format!("Confusion at {} ({:.4})", point.name, point.threshold);
    text(area, &title, (width as i32 / 2, 14), 18, BLACK)?;
    let table = Confusion::at(point.threshold, &panel.all, &panel.all.once());
    let cells = [
        [table.true_positive, table.false_negative],
        [table.false_positive, table.true_negative],
    ];
    let (left, top) = (95, 60);
    let (cell_width, cell_height) = (
        (width as i32 - left - 25) / 2,
        (height as i32 - top - 45) / 2,
    );
    for (row, (counts, truth)) in cells.iter().zip(["positive", "negative"]).enumerate() {
        let y = top + row as i32 * cell_height;
        let whole = counts[0] + counts[1];
        text(area, truth, (left / 2, y + cell_height / 2), 15, BLACK)?;
        for (column, count) in counts.iter().enumerate() {
            let x = left + column as i32 * cell_width;
            let share = if whole > 0.0 { count / whole } else { 0.0 };
            let corners = [(x, y), (x + cell_width, y + cell_height)];
            area.draw(&Rectangle::new(
                corners,
                COLOURS[0].mix(0.1 + 0.8 * share).filled(),
            ))?;
            area.draw(&Rectangle::new(corners, WHITE.stroke_width(2)))?;
            let colour = if share > 0.5 { WHITE } else { BLACK };
            let middle = (x + cell_width / 2, y + cell_height / 2);
            text(
                area,
                &format!("{count}"),
                (middle.0, middle.1 - 12),
                22,
                colour,
            )?;
            if whole > 0.0 {
                let share = format!("{:.1} %", 100.0 * share);
                text(area, &share, (middle.0, middle.1 + 14), 15, colour)?;
            }
        }
    }
    for (column, called) in ["called positive", "called negative"].iter().enumerate() {
        let x = left + column as i32 * cell_width + cell_width / 2;
        text(area, called, (x, top - 14), 15, BLACK)?;
    }
    Ok(())
}

/// The legend: each group's colour, with the numbers of its curves.
fn legend(area: &Area, curves: &[Curve]) -> Drawn {
    let line = |at: usize| 40 + 46 * at as i32;
    for (at, curve) in curves.iter().enumerate() {
        let y = line(at);
        let stroke = curve.colour.stroke_width(3);
        area.draw(&PathElement::new(vec![(30, y), (64, y)], stroke))?;
        left_text(area, &curve.name, (76, y), 16, BLACK)?;
        let once = curve.sample.once();
        let number = |value: Option<f64>| value.map_or("n/a".to_owned(), |v| format!("{v:.3}"));
        let figures = format!(
            "n {}, {} positive; AUC {}, average precision {}",
            curve.sample.len(),
            curve.sample.positives(),
            number(area_under_roc(curve.sample, &once)),
            number(average_precision(curve.sample, &once))
        );
        left_text(area, &figures, (76, y + 18), 13, RGBColor(80, 80, 80))?;
    }
    Ok(())
}

fn square<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    x: &str,
    y: &str,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    chart(area, title, x, y, 1.0)
}

/// Axes from 0 to 1, and from 0 to `top`.
fn chart<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    x: &str,
    y: &str,
    top: f64,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18).into_font())
        .margin(12)
        .set_label_area_size(LabelAreaPosition::Left, 52)
        .set_label_area_size(LabelAreaPosition::Bottom, 42)
        .build_cartesian_2d(-0.01..1.01, -0.01 * top..1.01 * top)?;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|v| format!("{v:.1}"))
        .y_label_formatter(&|v| format!("{v:.2}"))
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .label_style(("sans-serif", 14).into_font())
        .axis_desc_style(("sans-serif", 15).into_font())
        .draw()?;
    Ok(chart)
}

fn text(area: &Area, words: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Drawn {
    write(area, words, at, size, colour, HPos::Center)
}

fn left_text(area: &Area, words: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Drawn {
    write(area, words, at, size, colour, HPos::Left)
}

fn write(
    area: &Area,
    words: &str,
    at: (i32, i32),
    size: u32,
    colour: RGBColor,
    side: HPos,
) -> Drawn {
    let style: TextStyle = ("sans-serif", size).into_text_style(area);
    let style = style.color(&colour).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(words.to_owned(), at, style))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::question::BinaryQuestion;
    use crate::evaluation::report::NamedThreshold;
    use crate::evaluation::sample::tests::each_its_own;

    fn panel(group: &str, scores: &[f64], answers: &[bool], point: Option<f64>) -> PlotPanel {
        let sample = each_its_own(scores, answers);
        let group = CaseGroup {
            column: Some("source".to_owned()),
            value: group.to_owned(),
        };
        let point = point.map(|threshold| NamedThreshold {
            name: "balanced".to_owned(),
            threshold,
        });
        PlotPanel {
            question: BinaryQuestion::Label("COVID-19".to_owned()),
            points: point.into_iter().collect(),
            all: sample.clone(),
            groups: vec![(group, sample)],
        }
    }

    #[test]
    fn a_page_has_its_plots_and_its_numbers() {
        let scores = [0.9, 0.8, 0.7, 0.3, 0.2, 0.1];
        let answers = [true, true, false, true, false, false];
        let svg = page(&panel("nih", &scores, &answers, Some(0.5))).unwrap();
        for words in [
            "COVID-19: 6 images of 6 patients, 3 positive",
            "ROC",
            "Precision and recall",
            "Reliability",
            "Scores",
            "Confusion at balanced (0.5000)",
            "66.7 %",
            "AUC 0.889",
            "nih",
        ] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn one_class_no_point_and_extreme_scores_are_drawn_too() {
        for (scores, answers) in [
            (&[1.0, 0.0][..], &[true, true][..]),
            (&[0.0, 0.0], &[false, false]),
            (&[1.0, 1.0], &[true, false]),
        ] {
            page(&panel("x", scores, answers, None)).unwrap();
            page(&panel("x", scores, answers, Some(1.0))).unwrap();
        }
    }

    #[test]
    fn a_groups_name_cannot_leave_its_place() {
        let svg = page(&panel("<script>&\"", &[0.9, 0.1], &[true, false], None)).unwrap();
        assert!(!svg.contains("<script>"));
    }
}
