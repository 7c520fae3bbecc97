//! Body → Facts, inside the worker, so that bodies neither cross threads nor leave the host.
