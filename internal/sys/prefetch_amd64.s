#include "textflag.h"

// func prefetch(at unsafe.Pointer, n, stride int)
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVQ at+0(FP), AX
	MOVQ n+8(FP), CX
	MOVQ stride+16(FP), DX

next:
	MOVQ       (AX), BX
	PREFETCHT0 (BX)
	PREFETCHT0 64(BX)
	ADDQ       DX, AX
	DECQ       CX
	JNZ        next
	RET

// func prefetchSpan(at unsafe.Pointer, octets int)
TEXT ·prefetchSpan(SB), NOSPLIT, $0-16
	MOVQ at+0(FP), AX
	MOVQ octets+8(FP), CX

line:
	PREFETCHT0 (AX)
	ADDQ       $64, AX
	SUBQ       $64, CX
	JGT        line
	RET
