//! A convolution and the depthwise one after it, panel by panel of channels.

use std::ops::Range;

use crate::conv::PackedConv;
use crate::depthwise::PackedDepthwise;
use crate::memory::Map;
use crate::threads::{Workers, share};
use crate::tiling::{OutputPanel, Tiling};

/// A convolution and the depthwise one after it, in one pass. Both compute one panel of channels after the other, so that
/// of the map between them only the rows under the kernel exist, and of those only the channels of a panel: they never
/// leave the nearest cache. An expanded map is the largest of its network.
pub struct ConvDepthwise {
    /// Its input is not packed: it is read once for each panel.
    pub conv: PackedConv,
    pub depthwise: PackedDepthwise,
    /// Height and width of the map between them.
    pub middle: [usize; 2],
}

impl ConvDepthwise {
    /// Computes `output`, and the average of each of its rows into `averages`, a map of as many rows of one pixel.
    ///
    /// # Safety
    /// The input has the border that the convolution needs. Meanwhile no other thread writes what is read here, or reads
    /// or writes what is written.
    pub unsafe fn run(&self, input: Map, output: Map, averages: Option<Map>, workers: Workers) {
        let channels = self.depthwise.shape.channels;
        assert!(output.layout.channels == channels && self.conv.shape.output == channels);
        let grid = self
            .depthwise
            .panel_grid(output.layout.height, 1, workers.count());
        let parts = grid.parts;
        workers.each(grid.panels.len() * parts, &|unit| {
            let rows = share(output.layout.height, parts, unit % parts);
            // SAFETY: the caller vouches for the maps, and no two units have the same panel and row.
            unsafe { self.rows(&grid.panels[unit / parts], rows, (input, output, averages)) };
        });
    }

    /// Computes these rows of one panel.
    ///
    /// # Safety
    /// As [`run`](ConvDepthwise::run).
    unsafe fn rows(
        &self,
        panel: &OutputPanel,
        rows: Range<usize>,
        (input, output, averages): (Map, Map, Option<Map>),
    ) {
        let tiling = Tiling::new(1, self.middle[1], self.conv.kernels.pixels());
        // SAFETY: the caller vouches for the maps; the ring has room for a row of the panel.
        unsafe {
            self.depthwise
                .panel_rows(panel, rows, self.middle, (output, averages), |y, row| {
                    self.conv.panel_row(input, y, &tiling, panel, row);
                });
        }
    }
}
