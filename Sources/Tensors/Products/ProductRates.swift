internal import CKernels
import Foundation

/// Measured rates of arithmetic on all threads of the pool, in 10⁹ floating-point operations per second.
package enum ProductRates {
    /// The rates of the products of a linear map.
    package struct Map: Sendable {
        /// y = x Wᵀ
        package let forward: Double
        /// dx = dy W
        package let inputGradient: Double
        /// dW = dyᵀ x
        package let weightGradient: Double
    }

    /// The rate of multiplications and additions in registers alone, with the instructions that products in this
    /// precision use.
    package static func peak(_ precision: Precision, seconds: Double = 0.2) -> Double {
        let instructions =
            switch (precision, BFloat16Instructions.inUse) {
            case (.single, _): CK_VECTORS
            case (.bfloat16, .vectors): CK_BFLOAT16_VECTORS
            case (.bfloat16, .tiles): CK_TILES
            }
        let threads = ThreadPool.shared.threads
        let operations = Tensor(shape: [threads])
        return bestRate(seconds) {
            // About a millisecond.
            parallelParts(threads, grain: 1) { part, _ in
                operations.pointer[part] = Float(ck_peak_loop(instructions, 50_000))
            }
            return operations.buffer.reduce(0) { $0 + Double($1) }
        }
    }

    /// The rate of kaon's product C = A Bᵀ with M = 4096, N = K = 512 in a precision, with a weight that is laid out
    /// where products have such weights.
    package static func product(_ precision: Precision, seconds: Double = 0.5) -> Double {
        let map = LinearMap(tokens: 4096, inputs: 512, outputs: 512, in: precision)
        return bestRate(seconds) { map.run(.forward) }
    }

    /// The rate of OpenBLAS' single-precision product of that shape.
    package static func library(seconds: Double = 1) -> Double {
        let map = LinearMap(tokens: 4096, inputs: 512, outputs: 512, in: .single)
        return bestRate(seconds) { map.run(.forward, with: .openBLAS) }
    }

    /// The rates of the products of a map with a kernel, whose operands are not in the caches: eight maps in turn.
    ///
    /// - Parameter seconds: shortest duration of each measurement.
    package static func map(
        tokens: Int, inputs: Int, outputs: Int, kernel: ProductKernel, seconds: Double
    ) -> Map {
        let instructions = BFloat16Instructions.inUse
        defer { BFloat16Instructions.inUse = instructions }
        switch kernel {
        case .avx512, .openBLAS: break
        case .avx512BFloat16: BFloat16Instructions.inUse = .vectors
        case .amx: BFloat16Instructions.inUse = .tiles
        }
        let maps = (0..<8).map { _ in
            LinearMap(tokens: tokens, inputs: inputs, outputs: outputs, in: kernel.precision)
        }
        func rate(_ product: LinearMap.Product) -> Double {
            _ = maps[0].run(product, with: kernel)
            let results = measured(seconds) { maps[$0 % 8].run(product, with: kernel) }
            return results.reduce(0) { $0 + $1.operations } / results.reduce(0) { $0 + $1.nanoseconds }
        }
        return Map(
            forward: rate(.forward), inputGradient: rate(.inputGradient), weightGradient: rate(.weightGradient))
    }

    private static func bestRate(_ seconds: Double, _ body: () -> Double) -> Double {
        measured(seconds) { _ in body() }.map { $0.operations / $0.nanoseconds }.max()!
    }

    /// Runs `body`, which gets the number of the repetition and returns its floating-point operations, as often as fits
    /// into a time, at least once.
    private static func measured(
        _ seconds: Double, _ body: (Int) -> Double
    ) -> [(operations: Double, nanoseconds: Double)] {
        let clock = ContinuousClock()
        let begin = clock.now
        var results: [(Double, Double)] = []
        repeat {
            var operations = 0.0
            let time = clock.measure { operations = body(results.count) }
            results.append((operations, 1e9 * (time / .seconds(1))))
        } while begin.duration(to: clock.now) < .seconds(seconds)
        return results
    }
}

/// A linear map with the operands of its products.
private struct LinearMap {
    enum Product { case forward, inputGradient, weightGradient }

    private let x, y, weight, dweight: Tensor
    private let variable: Variable

    init(tokens: Int, inputs: Int, outputs: Int, in precision: Precision) {
        func random(_ shape: [Int]) -> Tensor {
            var random = RandomSequence(RandomKey(seed: 0, stream: .sampling, jet: 0))
            let result = Tensor(shape: shape)
            random.fillNormal(result.buffer)
            return result
        }
        let type: ScalarType = precision == .bfloat16 ? .bfloat16 : .float32
        x = random([tokens, inputs]).converted(to: type)
        y = random([tokens, outputs]).converted(to: type)
        weight = random([outputs, inputs])
        dweight = Tensor(repeating: 0, shape: weight.shape)
        variable = Variable(constant: weight)
        if type == .bfloat16, let elements = WeightLayout.elements(outputs: outputs, inputs: inputs) {
            let memory = Tensor(shape: [elements], elementType: .bfloat16)
            let layout = WeightLayout(outputs: outputs, inputs: inputs, in: memory)
            layout.update(from: weight, rows: 0..<outputs)
            variable.layout = layout
        }
    }

    /// Runs a product, and returns the number of its floating-point operations.
    func run(_ product: Product, with kernel: ProductKernel? = nil) -> Double {
        let type = x.elementType
        switch product {
        case .forward: MatrixProduct(Factor(x), .forward(variable, type), into: y).run(with: kernel)
        case .inputGradient: MatrixProduct(Factor(y), .backward(variable, type), into: x).run(with: kernel)
        case .weightGradient: MatrixProduct(.transposed(y), Factor(x), into: dweight).run(with: kernel)
        }
        return 2 * Double(x.rows * x.columns * y.columns)
    }
}
