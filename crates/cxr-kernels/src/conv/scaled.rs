//! Weights that are scaled instead of a map, as squeeze-and-excitation has it: `Σ w · (s · x)` is `Σ (w · s) · x`.

use super::PackedConv;
use crate::memory::Map;
use crate::tiling::panels;

/// Pixels of a map for each output from which on weights are scaled and not the map.
const LEAST_PIXELS: usize = if cfg!(test) { 1 } else { 16 };

impl PackedConv {
    /// Whether scaling its weights is much less work than scaling an input of this many pixels. It has no neighbourhoods,
    /// and its input is not packed.
    pub fn scales_weights(&self, pixels: usize) -> bool {
        let outputs = self.shape.output.next_multiple_of(self.kernels.lanes);
        self.shape.kernel == 1 && !self.is_packed() && pixels >= LEAST_PIXELS * outputs
    }

    /// Numbers of its weights.
    pub fn weights_len(&self) -> usize {
        self.weights.len()
    }

    /// Writes its weights into `scaled`, those of each input times the input's number in `by`. Both maps have one pixel.
    ///
    /// # Safety
    /// Nothing else writes the maps, or reads the first one.
    pub unsafe fn scale_weights(&self, by: Map, scaled: Map) {
        assert!(by.layout.channels == self.shape.input && self.shape.kernel == 1);
        assert!(scaled.layout.channels == self.weights.len());
        for panel in panels(self.kernels, self.shape.output) {
            let width = panel.vectors * self.kernels.lanes;
            for input in 0..self.shape.input {
                let first = panel.first * self.shape.input + input * width;
                for at in first..first + width {
                    // SAFETY: a weight of the panel, and a number of the map.
                    unsafe {
                        let factor = *by.at(0, 0).wrapping_add(input);
                        let weight = *self.weights.as_ptr().wrapping_add(at);
                        scaled.at(0, 0).wrapping_add(at).write(weight * factor);
                    }
                }
            }
        }
    }
}
