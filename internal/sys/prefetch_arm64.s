#include "textflag.h"

// func prefetch(at unsafe.Pointer, n, stride int)
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVD at+0(FP), R0
	MOVD n+8(FP), R1
	MOVD stride+16(FP), R2

next:
	MOVD (R0), R3
	PRFM (R3), PLDL1KEEP
	ADD  $64, R3
	PRFM (R3), PLDL1KEEP
	ADD  R2, R0
	SUBS $1, R1
	BNE  next
	RET

// func prefetchSpan(at unsafe.Pointer, octets int)
TEXT ·prefetchSpan(SB), NOSPLIT, $0-16
	MOVD at+0(FP), R0
	MOVD octets+8(FP), R1

line:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	SUBS $64, R1
	BGT  line
	RET
