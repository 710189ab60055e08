#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| cxr::fuzzing::dicom_jpeg_ls(data));
