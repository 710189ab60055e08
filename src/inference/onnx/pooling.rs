//! Maxima and averages over windows and over whole maps.

use super::convolution::{positions, zeros};
use super::draft::DraftLayer;
use super::graph::{GraphValue, GraphValues};
use super::node::GraphNode;
use super::view::{MapAxis, MapShape, MapView};
use crate::inference::network::layers::PoolingShape;

/// A window, as the attributes of a node say it.
struct PoolingWindow {
    kernel: usize,
    stride: usize,
    /// Above, to the left, below, to the right.
    zeros: [usize; 4],
}

impl PoolingWindow {
    fn of(node: GraphNode, shape: MapShape) -> Result<Self, String> {
        let kernel = node.square("kernel_shape", 0)?;
        if kernel == 0 {
            return Err(node.fault("it does not say its window"));
        }
        if node.square("dilations", 1)? != 1 {
            return Err(node.fault("a dilated window, which cxr does not have"));
        }
        let stride = node.square("strides", 1)?;
        Ok(PoolingWindow {
            kernel,
            stride,
            zeros: zeros(node, shape, kernel, stride)?,
        })
    }

    /// The shape of what it makes.
    ///
    /// # Errors
    /// If it does not fit, or a window that begins within the map would end outside of it (`ceil_mode`).
    fn output(&self, node: GraphNode, shape: MapShape) -> Result<MapShape, String> {
        let [channels, rows, columns] = shape;
        let [top, left, bottom, right] = self.zeros;
        let along = |size: usize, before: usize, after: usize| -> Result<usize, String> {
            let count = positions(node, size, (before, after), self.kernel, self.stride)?;
            let rest = size + before + after - self.kernel - (count - 1) * self.stride;
            if node.integer("ceil_mode", 0)? != 0 && rest > 0 {
                return Err(node.fault("its last window is not whole (ceil_mode)"));
            }
            Ok(count)
        };
        Ok([
            channels,
            along(rows, top, bottom)?,
            along(columns, left, right)?,
        ])
    }
}

/// `MaxPool`
pub fn max_pool(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (input, shape) = values.image_map(node, 0)?;
    let window = PoolingWindow::of(node, shape)?;
    let made = window.output(node, shape)?;
    let [padding, left, bottom, right] = window.zeros;
    if [left, bottom, right] != [padding; 3] || padding > window.kernel / 2 {
        return Err(node.fault(format!(
            "its padding is {:?}, and cxr has the same on all sides, half the window at most",
            window.zeros
        )));
    }
    let window = PoolingShape {
        kernel: window.kernel,
        stride: window.stride,
        padding,
    };
    values.push(
        node,
        DraftLayer::MaxPool { input, window },
        made,
        MapView::map(),
    )
}

/// `AveragePool`: of the whole map, or of squares side by side.
pub fn average_pool(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (input, shape) = values.image_map(node, 0)?;
    let [channels, rows, columns] = shape;
    let window = PoolingWindow::of(node, shape)?;
    let made = window.output(node, shape)?;
    let size = window.kernel;
    if window.zeros != [0; 4] || size != window.stride && made != [channels, 1, 1] {
        return Err(
            node.fault("its windows overlap or are padded, and cxr has only averages side by side")
        );
    }
    let layer = if [rows, columns] == [size; 2] {
        DraftLayer::GlobalAverage { input }
    } else if made == [channels, 1, 1] && size != window.stride {
        return Err(node.fault("a single window that is not the whole map"));
    } else {
        DraftLayer::Average { input, size }
    };
    values.push(node, layer, made, MapView::map())
}

/// `GlobalAveragePool`
pub fn global_average(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (input, [channels, ..]) = values.image_map(node, 0)?;
    let made = [channels, 1, 1];
    values.push(
        node,
        DraftLayer::GlobalAverage { input },
        made,
        MapView::map(),
    )
}

/// `GlobalMaxPool`
pub fn global_max(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let (input, [channels, rows, columns]) = values.image_map(node, 0)?;
    if rows != columns {
        return Err(node.fault("a map that is no square"));
    }
    let window = PoolingShape {
        kernel: rows,
        stride: rows,
        padding: 0,
    };
    let layer = DraftLayer::MaxPool { input, window };
    values.push(node, layer, [channels, 1, 1], MapView::map())
}

/// `ReduceMean` over rows and columns.
pub fn reduce_mean(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let axes = values.axes(node, 1, value.view.axes.len())?;
    let axes = axes.unwrap_or_default();
    let is_mean_axis = |place: usize| axes.contains(&place);
    let [channels, rows, columns] = shape;
    let places = value.view.axes.iter().enumerate();
    let is_fitting = |(place, axis): (usize, &MapAxis)| match axis {
        MapAxis::Rows => is_mean_axis(place) || rows == 1,
        MapAxis::Columns => is_mean_axis(place) || columns == 1,
        MapAxis::One => true,
        MapAxis::Channels => !is_mean_axis(place) || channels == 1,
        MapAxis::Images | MapAxis::Joined => !is_mean_axis(place),
    };
    let is_spatial = |axis: MapAxis| matches!(axis, MapAxis::Rows | MapAxis::Columns);
    let has_both = value
        .view
        .axes
        .iter()
        .filter(|axis| is_spatial(**axis))
        .count()
        == 2;
    let is_one_pixel = [rows, columns] == [1, 1];
    if axes.is_empty() || !(has_both || is_one_pixel) || !places.clone().all(is_fitting) {
        let words = value.view.words(shape);
        return Err(node.fault(format!(
            "a mean of {words} over the axes {axes:?}, and cxr has that over rows and columns"
        )));
    }
    let keeps = node.integer("keepdims", 1)? != 0;
    let kept = places.filter(|(place, _)| keeps || !is_mean_axis(*place));
    let kept = kept.map(|(place, axis)| match axis {
        axis if is_mean_axis(place) || is_spatial(*axis) => MapAxis::One,
        axis => *axis,
    });
    let view = MapView {
        axes: kept.collect(),
        joined: value.view.joined.clone(),
    };
    let input = value.draft;
    let made = [channels, 1, 1];
    values.push(node, DraftLayer::GlobalAverage { input }, made, view)
}
