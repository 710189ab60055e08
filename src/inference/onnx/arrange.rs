//! Operators that move or name axes, and compute nothing.

use super::constant::{Constant, SymbolicCount};
use super::draft::DraftLayer;
use super::graph::{GraphValue, GraphValues, MapValue};
use super::node::{GraphNode, axis_of};
use super::view::{MapAxis, MapView};

/// The most values that are joined at once. A block of a DenseNet-201 has 48 layers.
const MOST_PARTS: usize = 1_024;

/// Whether a size of 0 is that of the input.
fn copies_zero(node: GraphNode) -> Result<bool, String> {
    Ok(node.integer("allowzero", 0)? == 0)
}

/// The same numbers under another view.
fn viewed(value: &MapValue, view: MapView) -> GraphValue {
    GraphValue::Map(MapValue {
        draft: value.draft,
        view,
    })
}

/// An operator that changes nothing in use: `Identity`, `Dropout`, `Cast` to another kind of float.
pub fn same(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    Ok(GraphValue::Map(values.map(node, 0)?))
}

/// `Cast`
pub fn cast(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    if node.is_cast_to_floats()? {
        same(values, node)
    } else {
        Err(node.fault("a map becomes whole numbers"))
    }
}

/// `Shape`
pub fn shape(values: &GraphValues, node: GraphNode) -> Result<Constant, String> {
    let value = values.map(node, 0)?;
    let counts = value.view.counts(values.drafts.shape(value.draft));
    let rank = counts.len();
    let place = |axis: i64| match axis_of(axis, rank) {
        Some(place) => place,
        None if axis < 0 => 0,
        None => rank,
    };
    let start = place(node.integer("start", 0)?);
    let end = place(node.integer("end", i64::MAX)?).max(start);
    Ok(Constant::list(counts[start..end].to_vec()))
}

/// `Reshape`
pub fn reshape(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let to = values.sizes(node, 1)?;
    let view = value
        .view
        .reshaped(shape, &to, values.images, copies_zero(node)?);
    let view = view.ok_or_else(|| {
        let words = value.view.words(shape);
        let known = to.iter().map(|count| match count.known() {
            Some(known) => known.to_string(),
            None => "N".to_owned(),
        });
        let known: Vec<String> = known.collect();
        node.fault(format!(
            "{words} becomes [{}]: axes are mixed in a way that cxr does not have",
            known.join(", ")
        ))
    })?;
    Ok(viewed(&value, view))
}

/// `Flatten`
pub fn flatten(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let axis = axis_of(node.integer("axis", 1)?, value.view.axes.len());
    let to = [SymbolicCount::IMAGES, SymbolicCount::of(-1)];
    let view = value.view.reshaped(shape, &to, values.images, true);
    match view.filter(|_| axis == Some(1)) {
        Some(view) => Ok(viewed(&value, view)),
        None => Err(node.fault("it joins images")),
    }
}

/// `Transpose`
pub fn transpose(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let rank = value.view.axes.len();
    let order: Option<Vec<usize>> = match node.integers("perm")? {
        Some(order) => order.iter().map(|axis| axis_of(*axis, rank)).collect(),
        None => Some((0..rank).rev().collect()),
    };
    let view = order.and_then(|order| value.view.transposed(&order));
    let view = view.ok_or_else(|| node.fault("its perm is no order of the axes"))?;
    Ok(viewed(&value, view))
}

/// `Squeeze`
pub fn squeeze(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let shape = values.drafts.shape(value.draft);
    let axes = values.axes(node, 1, value.view.axes.len())?;
    let axes = axes.unwrap_or_else(|| value.view.ones(shape));
    let view = value.view.squeezed(&axes, shape);
    let view = view.ok_or_else(|| {
        let words = value.view.words(shape);
        node.fault(format!("it takes the axes {axes:?} from {words}"))
    })?;
    Ok(viewed(&value, view))
}

/// `Unsqueeze`
pub fn unsqueeze(values: &GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let value = values.map(node, 0)?;
    let given = values.integers(node, 1, "axes")?.unwrap_or_default();
    let rank = value.view.axes.len() + given.len();
    let axes: Option<Vec<usize>> = given.iter().map(|axis| axis_of(*axis, rank)).collect();
    let view = axes.and_then(|axes| value.view.unsqueezed(&axes));
    let view = view.ok_or_else(|| node.fault(format!("it adds the axes {given:?}")))?;
    Ok(viewed(&value, view))
}

/// `Concat` of channels.
pub fn concat(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    let count = node.0.inputs.len();
    if count > MOST_PARTS {
        return Err(node.fault(format!("it joins {count} values, more than {MOST_PARTS}")));
    }
    let parts = (0..count).map(|place| values.map(node, place));
    let parts = parts.collect::<Result<Vec<MapValue>, String>>()?;
    let Some(first) = parts.first() else {
        return Err(node.fault("it joins nothing"));
    };
    let [_, rows, columns] = values.drafts.shape(first.draft);
    let axis = axis_of(node.integer("axis", 0)?, first.view.axes.len());
    let is_fitting = |part: &MapValue| {
        let shape = values.drafts.shape(part.draft);
        let others = |view: &MapView| {
            let mut axes = view.axes.clone();
            if let Some(place) = axis
                && place < axes.len()
            {
                axes.remove(place);
            }
            axes
        };
        shape[1..] == [rows, columns]
            && axis.is_some()
            && part.view.axes.len() == first.view.axes.len()
            && others(&part.view) == others(&first.view)
    };
    let has_channels = first.view.channel_axis() == axis && axis.is_some();
    if !has_channels || !parts.iter().all(is_fitting) {
        return Err(node.fault("it joins something else than channels of maps of one size"));
    }
    let channels = parts.iter().map(|part| values.drafts.shape(part.draft)[0]);
    let made = [channels.sum::<usize>(), rows, columns];
    let view = first.view.clone();
    let parts = parts.iter().map(|part| part.draft).collect();
    values.push(node, DraftLayer::Cat { parts }, made, view)
}

/// `Pad` with zeros around maps.
pub fn pad(values: &mut GraphValues, node: GraphNode) -> Result<GraphValue, String> {
    if !matches!(node.text("mode")?, None | Some("constant")) {
        return Err(node.fault("it pads with something else than a constant"));
    }
    let value = match values.optional(node, 2)? {
        Some(constant) => constant.scalar(),
        None => Some(node.float("value", 0.0)?),
    };
    if value != Some(0.0) {
        return Err(node.fault("it pads with something else than zeros"));
    }
    let map = values.map(node, 0)?;
    let shape = values.drafts.shape(map.draft);
    let rank = map.view.axes.len();
    let pads = values.integers(node, 1, "pads")?.unwrap_or_default();
    // Since version 18, the axes may be named.
    let axes: Vec<usize> = match values.integers(node, 3, "axes")? {
        Some(axes) => {
            let axes = axes.iter().map(|axis| axis_of(*axis, rank));
            let axes: Option<Vec<usize>> = axes.collect();
            axes.ok_or_else(|| node.fault("it pads an axis that is not there"))?
        }
        None => (0..rank).collect(),
    };
    let fault = || node.fault(format!("its pads are {pads:?}"));
    if pads.len() != 2 * axes.len() {
        return Err(fault());
    }
    let mut zeros = [0; 4];
    for (nth, axis) in axes.iter().enumerate() {
        let size = |place: usize| usize::try_from(pads[place]).map_err(|_| fault());
        let (before, after) = (size(nth)?, size(nth + axes.len())?);
        match map.view.axes[*axis] {
            MapAxis::Rows => (zeros[0], zeros[2]) = (before, after),
            MapAxis::Columns => (zeros[1], zeros[3]) = (before, after),
            _ if before == 0 && after == 0 => {}
            _ => return Err(node.fault("it pads something else than rows and columns")),
        }
    }
    let [channels, rows, columns] = shape;
    let [top, left, bottom, right] = zeros;
    let padded = |size: usize, before: usize, after: usize| {
        let sum = size
            .checked_add(before)
            .and_then(|sum| sum.checked_add(after));
        sum.ok_or_else(fault)
    };
    let made = [
        channels,
        padded(rows, top, bottom)?,
        padded(columns, left, right)?,
    ];
    let input = map.draft;
    values.push(node, DraftLayer::Pad { input, zeros }, made, map.view)
}
