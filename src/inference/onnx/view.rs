//! How the axes of a value in the graph are those of a map. A map of `[C, h, w]` has one layout here; a transposition or a
//! new shape in the graph only names its axes in another way, and moves no number.

use super::constant::{Constant, SymbolicCount};
use super::node::MOST_AXES;

/// Channels, rows and columns of one image.
pub type MapShape = [usize; 3];

/// What an axis of a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapAxis {
    Images,
    Channels,
    Rows,
    Columns,
    /// Of size 1, and none of the others.
    One,
    /// Several axes in one, as after `Flatten`.
    Joined,
}

/// The axes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapView {
    pub axes: Vec<MapAxis>,
    /// The axes in [`MapAxis::Joined`], in their order.
    pub joined: Vec<MapAxis>,
}

/// The axes of a map as networks have them.
const OF_A_MAP: [MapAxis; 3] = [MapAxis::Channels, MapAxis::Rows, MapAxis::Columns];

fn size(axis: MapAxis, shape: MapShape) -> usize {
    let [channels, rows, columns] = shape;
    match axis {
        MapAxis::Channels => channels,
        MapAxis::Rows => rows,
        MapAxis::Columns => columns,
        MapAxis::One => 1,
        MapAxis::Joined => channels * rows * columns,
        // Never asked for: the number of images is not known.
        MapAxis::Images => 0,
    }
}

impl MapView {
    fn of(axes: &[MapAxis]) -> Self {
        MapView {
            axes: axes.to_vec(),
            joined: Vec::new(),
        }
    }

    /// `[N, C, h, w]`
    pub fn map() -> Self {
        MapView::of(&[
            MapAxis::Images,
            MapAxis::Channels,
            MapAxis::Rows,
            MapAxis::Columns,
        ])
    }

    /// `[N, h, w, C]`, as Keras has it.
    pub fn channels_last() -> Self {
        MapView::of(&[
            MapAxis::Images,
            MapAxis::Rows,
            MapAxis::Columns,
            MapAxis::Channels,
        ])
    }

    /// `[N, C]`
    pub fn row() -> Self {
        MapView::of(&[MapAxis::Images, MapAxis::Channels])
    }

    /// The sizes, as the operator `Shape` gives them.
    pub fn counts(&self, shape: MapShape) -> Vec<SymbolicCount> {
        let count = |axis: &MapAxis| match axis {
            MapAxis::Images => SymbolicCount::IMAGES,
            // A map has fewer numbers than an i64 counts.
            axis => SymbolicCount::of(size(*axis, shape) as i64),
        };
        self.axes.iter().map(count).collect()
    }

    /// The sizes in words: `[N, 64, 7, 7]`.
    pub fn words(&self, shape: MapShape) -> String {
        let word = |axis: &MapAxis| match axis {
            MapAxis::Images => "N".to_owned(),
            axis => size(*axis, shape).to_string(),
        };
        let words: Vec<String> = self.axes.iter().map(word).collect();
        format!("[{}]", words.join(", "))
    }

    /// Whether it is `[N, C, h, w]`.
    pub fn is_map(&self, shape: MapShape) -> bool {
        let is_one = |axis: MapAxis| size(axis, shape) == 1;
        let is_same = |(axis, map): (&MapAxis, MapAxis)| {
            *axis == map || *axis != MapAxis::Images && is_one(*axis) && is_one(map)
        };
        self.axes.len() == 4
            && self.axes[0] == MapAxis::Images
            && self.axes[1..].iter().zip(OF_A_MAP).all(is_same)
    }

    /// The axes that a row of numbers for each image, `[N, K]`, is made of; `None` for another value.
    pub fn row_axes(&self) -> Option<Vec<MapAxis>> {
        match self.axes[..] {
            [MapAxis::Images, MapAxis::Joined] => Some(self.joined.clone()),
            [MapAxis::Images, MapAxis::Images] => None,
            [MapAxis::Images, axis] => Some(vec![axis]),
            _ => None,
        }
    }

    /// The place of the channels.
    pub fn channel_axis(&self) -> Option<usize> {
        let mut axes = self.axes.iter();
        axes.position(|axis| *axis == MapAxis::Channels)
    }

    /// The view after a transposition: axis `i` is axis `order[i]` of this one. `None` if the order is no permutation.
    pub fn transposed(&self, order: &[usize]) -> Option<MapView> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.axes.len()) {
            return None;
        }
        Some(MapView {
            axes: order.iter().map(|axis| self.axes[*axis]).collect(),
            joined: self.joined.clone(),
        })
    }

    /// Without these axes, which must be of size 1.
    pub fn squeezed(&self, places: &[usize], shape: MapShape) -> Option<MapView> {
        let is_one = |place: &usize| {
            let axis = self.axes.get(*place);
            axis.is_some_and(|axis| *axis != MapAxis::Images && size(*axis, shape) == 1)
        };
        if !places.iter().all(is_one) {
            return None;
        }
        let kept = (0..self.axes.len()).filter(|place| !places.contains(place));
        Some(MapView {
            axes: kept.map(|place| self.axes[place]).collect(),
            joined: self.joined.clone(),
        })
    }

    /// The places of all axes of size 1.
    pub fn ones(&self, shape: MapShape) -> Vec<usize> {
        let is_one = |place: &usize| {
            let axis = self.axes[*place];
            axis != MapAxis::Images && size(axis, shape) == 1
        };
        (0..self.axes.len()).filter(is_one).collect()
    }

    /// With axes of size 1 at these places of the result.
    pub fn unsqueezed(&self, places: &[usize]) -> Option<MapView> {
        let mut old = self.axes.iter();
        let axes = (0..self.axes.len() + places.len()).map(|place| {
            if places.contains(&place) {
                Some(MapAxis::One)
            } else {
                old.next().copied()
            }
        });
        Some(MapView {
            axes: axes.collect::<Option<_>>()?,
            joined: self.joined.clone(),
        })
    }

    /// The view of the same numbers in the shape that `Reshape` is given. `images` is the number of images that the
    /// graph is fixed to, if it is. `None` if the shape does not fit, or mixes axes in another way than joining them.
    pub fn reshaped(
        &self,
        shape: MapShape,
        to: &[SymbolicCount],
        images: Option<usize>,
        copies_zero: bool,
    ) -> Option<MapView> {
        let (first, rest) = to.split_first()?;
        if self.axes.first() != Some(&MapAxis::Images) {
            return None;
        }
        let is_open = |count: &SymbolicCount| *count == SymbolicCount::of(-1);
        let keeps_images = match first.known() {
            None => *first == SymbolicCount::IMAGES,
            Some(0) => copies_zero,
            Some(-1) => !rest.iter().any(is_open),
            Some(1) => true,
            Some(count) => images.is_some_and(|images| i64::try_from(images) == Ok(count)),
        };
        let sizes = self.new_sizes(shape, rest, copies_zero)?;
        if keeps_images {
            self.matched(shape, &sizes)
        } else {
            None
        }
    }

    /// The sizes of a new shape after the images, with that of -1 computed.
    fn new_sizes(
        &self,
        shape: MapShape,
        to: &[SymbolicCount],
        copies_zero: bool,
    ) -> Option<Vec<usize>> {
        if to.len() > MOST_AXES {
            return None;
        }
        let total: usize = shape.iter().product();
        let mut sizes = Vec::new();
        let mut open = None;
        for (place, count) in to.iter().enumerate() {
            sizes.push(match count.known()? {
                -1 if open.is_some() => return None,
                -1 => {
                    open = Some(place);
                    1
                }
                0 if copies_zero => size(*self.axes.get(place + 1)?, shape),
                known => usize::try_from(known).ok()?,
            });
        }
        let product = |sizes: &[usize]| {
            let product = |product: usize, size: &usize| product.checked_mul(*size);
            sizes.iter().try_fold(1, product)
        };
        if let Some(open) = open {
            sizes[open] = total.checked_div(product(&sizes)?)?;
        }
        (product(&sizes)? == total).then_some(sizes)
    }

    /// The view with these sizes after the images.
    fn matched(&self, shape: MapShape, sizes: &[usize]) -> Option<MapView> {
        let apart = self.axes[1..].iter().flat_map(|axis| match axis {
            MapAxis::Joined => self.joined.clone(),
            axis => vec![*axis],
        });
        let old: Vec<MapAxis> = apart.filter(|axis| size(*axis, shape) != 1).collect();
        let large = sizes.iter().filter(|size| **size != 1);
        let large: Vec<usize> = large.copied().collect();
        let is_same = old
            .iter()
            .map(|axis| size(*axis, shape))
            .eq(large.iter().copied());
        let mut axes = vec![MapAxis::Images];
        let mut joined = Vec::new();
        if is_same {
            let mut old = old.into_iter();
            for size in sizes {
                axes.push(if *size == 1 {
                    MapAxis::One
                } else {
                    old.next()?
                });
            }
        } else if large.len() == 1 {
            let of = |size: &usize| {
                if *size == 1 {
                    MapAxis::One
                } else {
                    MapAxis::Joined
                }
            };
            axes.extend(sizes.iter().map(of));
            joined = old;
        } else {
            return None;
        }
        Some(MapView { axes, joined })
    }

    /// The view of an operation number by number on this value and another one, whose axes of size 1 are broadcast.
    /// `None` if their axes are not the same.
    pub fn broadcast(
        &self,
        shape: MapShape,
        other: &MapView,
        other_shape: MapShape,
    ) -> Option<MapView> {
        let has_images = |view: &MapView| view.axes.first() == Some(&MapAxis::Images);
        if self.axes.len() != other.axes.len() || !has_images(self) || !has_images(other) {
            return None;
        }
        let mut view = self.clone();
        for place in 1..self.axes.len() {
            let (axis, theirs) = (self.axes[place], other.axes[place]);
            let sizes = (size(axis, shape), size(theirs, other_shape));
            let is_same =
                axis == theirs && (axis != MapAxis::Joined || self.joined == other.joined);
            match sizes {
                (1, 1) => {}
                (own, theirs) if own == theirs && is_same => {}
                (_, 1) => {}
                (1, _) => {
                    view.axes[place] = theirs;
                    view.joined.clone_from(&other.joined);
                }
                _ => return None,
            }
        }
        Some(view)
    }

    /// A constant that is broadcast to this value, as one number for each channel. `None` if it differs between pixels,
    /// or does not fit.
    pub fn for_each_channel(&self, shape: MapShape, constant: &Constant) -> Option<Vec<f32>> {
        let channels = shape[0];
        let missing = self.axes.len().checked_sub(constant.shape.len())?;
        if let Some(value) = constant.scalar() {
            return Some(vec![value; channels]);
        }
        let is_fitting = |(place, length): (usize, &usize)| {
            *length == 1 || self.axes[missing + place] == MapAxis::Channels && *length == channels
        };
        let values = constant.as_floats()?;
        let is_whole = constant.shape.iter().enumerate().all(is_fitting);
        (is_whole && values.len() == channels).then(|| values.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: MapShape = [8, 2, 2];

    fn counts(sizes: &[i64]) -> Vec<SymbolicCount> {
        sizes.iter().map(|size| SymbolicCount::of(*size)).collect()
    }

    /// With the number of images in front.
    fn dynamic(sizes: &[i64]) -> Vec<SymbolicCount> {
        [vec![SymbolicCount::IMAGES], counts(sizes)].concat()
    }

    #[test]
    fn a_transposition_there_and_back_is_the_map() {
        let map = MapView::map();
        assert!(map.is_map(SHAPE));
        let last = map.transposed(&[0, 2, 3, 1]).unwrap();
        assert_eq!(last, MapView::channels_last());
        assert!(!last.is_map(SHAPE));
        assert_eq!(last.words(SHAPE), "[N, 2, 2, 8]");
        assert_eq!(last.transposed(&[0, 3, 1, 2]), Some(map.clone()));
        assert_eq!(map.transposed(&[0, 0, 1, 2]), None);
        assert_eq!(map.transposed(&[0, 1]), None);
    }

    #[test]
    fn a_shape_of_more_axes_than_a_tensor_has_does_not_fit() {
        let ones = |count: usize| dynamic(&[&[8, 2, 2][..], &vec![1; count]].concat());
        let map = MapView::map();
        assert!(map.reshaped(SHAPE, &ones(2), None, false).is_some());
        assert!(map.reshaped(SHAPE, &ones(1 << 20), None, false).is_none());
    }

    #[test]
    fn flattening_remembers_the_order_of_the_axes() {
        let flat = |view: MapView, to: &[SymbolicCount]| view.reshaped(SHAPE, to, None, true);
        let [_, order @ ..] = [
            MapAxis::Images,
            MapAxis::Channels,
            MapAxis::Rows,
            MapAxis::Columns,
        ];
        for to in [
            dynamic(&[32]),
            dynamic(&[-1]),
            counts(&[-1, 32]),
            counts(&[0, -1]),
            counts(&[1, 32]),
        ] {
            let row = flat(MapView::map(), &to).unwrap();
            assert_eq!(row.row_axes(), Some(order.to_vec()), "{to:?}");
            assert_eq!(row.words(SHAPE), "[N, 32]");
            // And back again.
            let back = row
                .reshaped(SHAPE, &dynamic(&[8, 2, 2]), None, true)
                .unwrap();
            assert!(back.is_map(SHAPE));
        }
        let last = flat(MapView::channels_last(), &dynamic(&[32])).unwrap();
        let order = vec![MapAxis::Rows, MapAxis::Columns, MapAxis::Channels];
        assert_eq!(last.row_axes(), Some(order));
        for to in [
            dynamic(&[4, 8]),
            dynamic(&[31]),
            dynamic(&[-1, -1]),
            counts(&[-1, -1]),
            counts(&[2, 32]),
            counts(&[32]),
            dynamic(&[i64::MAX, i64::MAX]),
            dynamic(&[-2]),
            vec![],
        ] {
            assert_eq!(flat(MapView::map(), &to), None, "{to:?}");
        }
        let fixed = MapView::map().reshaped(SHAPE, &counts(&[2, 32]), Some(2), true);
        assert!(fixed.is_some(), "a graph for two images");
        assert_eq!(
            MapView::map().reshaped(SHAPE, &counts(&[0, 32]), None, false),
            None
        );
    }

    #[test]
    fn axes_of_size_one_come_and_go() {
        let pooled = [8, 1, 1];
        let row = MapView::map().squeezed(&[2, 3], pooled).unwrap();
        assert_eq!(row, MapView::row());
        assert_eq!(row.row_axes(), Some(vec![MapAxis::Channels]));
        assert_eq!(MapView::map().ones(pooled), [2, 3]);
        let map = row.unsqueezed(&[2, 3]).unwrap();
        assert!(map.is_map(pooled));
        assert!(!row.unsqueezed(&[1, 2]).unwrap().is_map(pooled));
        assert_eq!(MapView::map().squeezed(&[1], pooled), None);
        assert_eq!(MapView::map().squeezed(&[0], pooled), None);
        assert_eq!(MapView::map().squeezed(&[7], pooled), None);
        assert_eq!(row.unsqueezed(&[2, 2]), None);
        let gate = MapView::channels_last().reshaped(pooled, &dynamic(&[1, 1, 8]), None, true);
        let gate = gate.unwrap().transposed(&[0, 3, 1, 2]).unwrap();
        assert!(gate.is_map(pooled));
    }

    #[test]
    fn a_gate_is_broadcast_and_others_are_not() {
        let map = MapView::map();
        let gate = MapView::row().unsqueezed(&[2, 3]).unwrap();
        assert_eq!(map.broadcast(SHAPE, &gate, [8, 1, 1]), Some(map.clone()));
        assert_eq!(gate.broadcast([8, 1, 1], &map, SHAPE), Some(map.clone()));
        assert_eq!(map.broadcast(SHAPE, &MapView::channels_last(), SHAPE), None);
        assert_eq!(map.broadcast(SHAPE, &MapView::row(), [8, 1, 1]), None);
        assert_eq!(map.broadcast(SHAPE, &gate, [4, 1, 1]), None);
    }

    #[test]
    fn a_constant_is_one_number_for_each_channel_or_none() {
        let floats = |shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            Constant::floats(shape.to_vec(), (0..count).map(|i| i as f32).collect())
        };
        let of = |view: MapView, constant: &Constant| view.for_each_channel(SHAPE, constant);
        let expected: Vec<f32> = (0..8).map(|i| i as f32).collect();
        assert_eq!(
            of(MapView::map(), &floats(&[8, 1, 1])),
            Some(expected.clone())
        );
        assert_eq!(
            of(MapView::map(), &floats(&[1, 8, 1, 1])),
            Some(expected.clone())
        );
        assert_eq!(of(MapView::channels_last(), &floats(&[8])), Some(expected));
        assert_eq!(of(MapView::map(), &floats(&[])), Some(vec![0.0; 8]));
        assert_eq!(of(MapView::map(), &floats(&[1, 1])), Some(vec![0.0; 8]));
        for shape in [
            &[2][..],
            &[8],
            &[4, 1, 1],
            &[8, 2, 1],
            &[8, 8, 1, 1],
            &[1; 5],
        ] {
            assert_eq!(of(MapView::map(), &floats(shape)), None, "{shape:?}");
        }
    }
}
