//! The rules of the task queue: who may do what to which task, and what that does to the board.
