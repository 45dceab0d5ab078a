//! Properties of any input; used by fuzz targets and tests.

pub(crate) mod gzip;
mod input;

pub(crate) use input::input;
