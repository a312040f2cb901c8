//! `docs/security.md` has the attacks that are made, with how they end.

use std::fmt::Write as _;

use anyhow::Result;

use super::{section, text};
use crate::hostile::attacks;

#[test]
fn every_attack_has_its_line() -> Result<()> {
    let mut made = "| attack | the guest | the end |\n| --- | --- | --- |\n".to_owned();
    for attack in attacks() {
        writeln!(made, "| `{}` | {} | {} |", attack.name, attack.does, attack.end)?;
    }
    let document = text("docs/security.md")?;
    let told = section(&document, "## The attacks")?;
    let told: Vec<&str> = told.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(told, made.lines().collect::<Vec<_>>(), "the table is to be:\n{made}");
    Ok(())
}
