// Package privilege gives up what a capturing program need not be able to do,
// once its sockets are open.
//
//	root, everything ──▶ sockets ──▶ Drop ──▶ CAP_NET_RAW alone ──▶ files, traffic
//
// What parses hostile input should not be able to do more than that takes. After
// Drop the program
//
//   - is who it was told to become, or who it was;
//   - has CAP_NET_RAW, to open a socket anew on an interface that comes back, if
//     it had it before, and no other capability, but for one: root that has to
//     write into somebody else's folder keeps CAP_DAC_OVERRIDE, and only where
//     Landlock limits which folders these are;
//   - cannot gain privileges by running a program (no_new_privs);
//   - reads /proc, /sys and the time zone, writes where it said it would, runs
//     nothing, and neither makes nor takes TCP connections, as far as the kernel
//     has Landlock. (It does not know Multipath TCP.)
//
// # Threads
//
// On Linux all of this belongs to threads, and a Go program has as many as the
// runtime likes. Every change is made on all of them, by syscall.AllThreadsSyscall
// or, in programs that have cgo, by libpsx (kernel.org/pub/linux/libs/security/
// libcap/psx).
//
// # Traps
//
// There is no way back: a test that calls Drop has spent its process. Files that
// are opened lazily must be named beforehand. What was open stays open.
package privilege
