//! Rule files become a snapshot.
