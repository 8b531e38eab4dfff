//! Tables of cases, properties, and closed loops with pods that take time to start.

mod closed_loop;
mod held;
mod properties;
mod scene;
mod stuck;
mod table;
mod world;
