//! Writes the JSON Schemas into the folder given as the only argument: `make schema`.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "docs/schema".into()));
    fs::create_dir_all(&folder)?;
    for (name, text) in exportpool_contract::schema::all() {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
