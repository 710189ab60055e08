//! Files of every supported kind, made here and read back.

mod admission;
mod compressed;
mod decoder_process;
#[path = "../imaging_files/mod.rs"]
mod imaging_files;
mod patient;
mod pixel_data;
mod raster;
mod recognised;
mod shared;
#[path = "../skip/mod.rs"]
mod skip;
mod values;
