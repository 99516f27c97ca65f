// TWI_VECTOR: a function whose loops are compiled for AVX2 as well, and run so where the processor has it.
//
// Without fused multiply-adds, so every processor gives the same bits. Sanitizers do not know such functions: there it is
// nothing, as with other compilers and processors.
#ifndef TWI_BASE_VECTOR_H
#define TWI_BASE_VECTOR_H

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TWI_VECTOR __attribute__((target_clones("avx2", "default")))
#else
#define TWI_VECTOR
#endif

#endif
