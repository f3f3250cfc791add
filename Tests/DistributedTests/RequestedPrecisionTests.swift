import Distributed
import RunSupport
import Tensors
import TestSupport
import Testing

@Suite struct RequestedPrecisionTests {
    @Test func whereAllProcessorsSupportIt() {
        let hosts = ["node1", "node2"]
        let cases = [(RequestedPrecision.single, Precision.single), (.bfloat16, .bfloat16), (.auto, .bfloat16)]
        for (request, expected) in cases {
            let (precision, warning) = request.precision(isSupported: [true, true], hosts: hosts)
            #expect(precision == expected && warning == nil)
        }
    }

    /// One processor without bfloat16 products is enough: all ranks compute alike. A request of bf16 is warned about.
    @Test func whereOneProcessorDoesNot() {
        let hosts = ["node1", "node2"]
        for request in RequestedPrecision.allCases {
            let (precision, warning) = request.precision(isSupported: [true, false], hosts: hosts)
            #expect(precision == .single)
            #expect(
                warning
                    == (request == .bfloat16
                        ? "parallel.precision is bf16, but the processor of node2 does not support bfloat16 products "
                            + "(AVX512-BF16): this run uses fp32" : nil))
        }
    }

    /// An invalid value, or instructions that the processor lacks, end the run.
    @Test func instructionsByEnvironment() throws {
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
