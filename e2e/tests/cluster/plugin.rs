//! `exportctl` as a plugin of kubectl.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{kubectl, pool::Pool, scaling::fast, stand_in::StandIn, team::Team};

/// A folder with `kubectl-exportpool` in it, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn with_plugin(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("exportpool-e2e-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        symlink(exportctl(), folder.join("kubectl-exportpool")).unwrap();
        Self(folder)
    }

    /// `kubectl exportpool …`, with this folder on the PATH.
    fn kubectl(&self, arguments: &[&str]) -> (bool, String) {
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new(kubectl::program());
        command.arg("exportpool").args(arguments).env("PATH", format!("{}:{path}", self.0.display()));
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Built beside this test.
pub(crate) fn exportctl() -> PathBuf {
    let test = env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap().join("exportctl");
    assert!(built.exists(), "{} is not there: make build", built.display());
    built
}

#[test]
fn kubectl_exportpool_explains_a_pool_and_calls_itself_by_that_name() {
    let team = Team::new("plugin");
    let folder = Folder::with_plugin("plugin");
    let (went, help) = folder.kubectl(&["--help"]);
    assert!(went && help.contains("Usage: kubectl exportpool <COMMAND>"), "{help}");
    assert!(help.contains("kubectl exportpool explain P"), "{help}");
    let (went, help) = folder.kubectl(&["explain", "--help"]);
    assert!(went && help.contains("Usage: kubectl exportpool explain [OPTIONS] <POOL>"), "{help}");
    assert!(help.contains("kubectl exportpool explain reports -n team"), "{help}");

    let aws = StandIn::start(&team);
    Pool::apply(&team, &Pool::object(&team, &aws, &fast(2))).has("Ready", "True", "ScaledToZero");
    let (went, said) = folder.kubectl(&["explain", "pool", "-n", &team.namespace]);
    assert!(went && said.starts_with(&format!("{}/pool asks for 0 pods", team.namespace)), "{said}");

    let (went, said) = folder.kubectl(&["explain", "pol", "-n", &team.namespace]);
    assert!(!went && said.starts_with("kubectl exportpool: "), "{said}");
    assert!(said.contains("Such as: kubectl exportpool explain pool"), "{said}");
    let (went, said) = folder.kubectl(&["explian"]);
    assert!(!went && said.contains("Usage: kubectl exportpool <COMMAND>"), "{said}");
    assert!(![help, said].concat().contains("exportctl"), "it has another name");
}
