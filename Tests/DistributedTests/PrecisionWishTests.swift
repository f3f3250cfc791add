import Distributed
import RunSupport
import Tensors
import Testing
import TestSupport

@Suite struct PrecisionWishTests {
    @Test func ofAbleProcessors() {
        let hosts = ["node1", "node2"]
        for (wish, expected) in [(PrecisionWish.single, Precision.single), (.bfloat16, .bfloat16), (.auto, .bfloat16)] {
            let (precision, warning) = wish.precision(able: [true, true], hosts: hosts)
            #expect(precision == expected && warning == nil)
        }
    }

    /// One processor that cannot is enough: all ranks multiply alike. A sentence says so where more was asked for.
    @Test func ofOthers() {
        let hosts = ["node1", "node2"]
        for wish in PrecisionWish.allCases {
            let (precision, warning) = wish.precision(able: [true, false], hosts: hosts)
            #expect(precision == .single)
            #expect(
                warning
                    == (wish == .bfloat16
                        ? "parallel.precision is bf16, but the processor of node2 does not multiply bfloat16 numbers "
                            + "(AVX512-BF16): this run multiplies in fp32" : nil))
        }
    }

    /// A wish that is mistyped, or that the processor cannot fulfil, ends the run.
    @Test func instructionsAskedFor() throws {
        #expect(try BFloat16Instructions.choice("vectors") == .vectors)
        let complaint = failure { _ = try BFloat16Instructions.choice("tile") }
        #expect(complaint == "KAON_BF16_PRODUCTS is tile; it can be vectors or tiles")
        if try BFloat16Instructions.choice(nil) == .vectors {
            #expect(failure { _ = try BFloat16Instructions.choice("tiles") }.contains("does not have (AMX)"))
        } else {
            #expect(try BFloat16Instructions.choice("tiles") == .tiles)
        }
    }

    @Test func configuration() throws {
        let start = "{data: {train: train.h5}, tasks: {kmeans: {}}}"
        #expect(try runOptions(start).parallel.precision == .single)
        #expect(try runOptions(start).parallel.reducePrecision == .single)
        let both = try runOptions(start, ["parallel.precision=auto", "parallel.reduce_precision=bf16"])
        #expect(both.parallel.precision == .auto && both.parallel.reducePrecision == .bfloat16)
        #expect(failure { _ = try runOptions(start, ["parallel.precision=fp16"]) }.contains("fp32, bf16"))
        #expect(
            failure {
                _ = try runOptions(start, ["parallel.deterministic=true", "parallel.reduce_precision=bf16"])
            }.contains("a deterministic run adds its gradients in single precision: leave it at fp32"))
    }
}
