import System

extension Tape {
    /// The element type of activations between products: outputs that are read by products, attention, norms of
    /// branches and activation functions alone may have it.
    package var activationType: ScalarType { precision == .bfloat16 ? .bfloat16 : .float32 }

    /// The element type of the factors of a map: bfloat16 products need whole vectors of inputs and outputs.
    func factorType(inputs: Int, outputs: Int) -> ScalarType {
        precision == .bfloat16 && inputs % 16 == 0 && outputs % 16 == 0 ? .bfloat16 : .float32
    }

    /// Runs a product on all threads and counts its operations.
    func multiply(_ a: Factor, _ b: Factor, into c: Tensor, epilogue: Epilogue = Epilogue()) {
        let product = MatrixProduct(a, b, into: c, epilogue: epilogue)
        product.run()
        count(m: product.m, n: product.n, k: product.k)
    }

    /// Runs a product that is a share of a gradient.
    func multiply(_ a: Factor, _ b: Factor, into target: GradientTarget) {
        multiply(a, b, into: target.tensor, epilogue: Epilogue(addend: target.accumulate ? target.tensor : nil))
    }

    /// Adds dy W to the gradient of the input of a map; dy has the element type of the map's factors.
    func multiplyGradient(_ dy: Tensor, by weight: Variable, to x: Variable) {
        guard x.requiresGradient else { return }
        multiply(Factor(dy), .backward(weight, dy.elementType), into: x.gradientTarget(firstShare: dy.elementType))
    }
}
