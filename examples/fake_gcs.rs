//! A fake Cloud Storage server: `fake_gcs PORT [BUCKET=DIRECTORY]...` fills buckets from directories and serves them
//! until it is killed.

use std::path::Path;
use testkit::gcs::Gcs;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "0".into());
    let server = Gcs::start_at(&format!("127.0.0.1:{port}"));
    server.lock().real_time = true;
    for seed in arguments {
        let Some((bucket, directory)) = seed.split_once('=') else { continue };
        for entry in walkdir::WalkDir::new(directory)
            .sort_by_file_name()
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_file())
        {
            let name = entry.path().strip_prefix(Path::new(directory)).unwrap_or(entry.path());
            server.seed(bucket, &name.to_string_lossy(), std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    println!("{}", server.host());
    loop {
        std::thread::park();
    }
}
