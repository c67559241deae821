//! What a run tells: to a person on the terminal, to a program in `report.json`. Reports read the
//! verdict; they decide nothing.

pub mod escape;
